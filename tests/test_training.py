import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from day37 import MLP, accuracy, load_iris, train
from day37.training import make_step


def test_losses_epochs_and_reads(model, data):
    run = train(model, data, epochs=7, read_loss_every=3, progress=False)
    assert run.epochs_read == (3, 6)
    assert (run.epochs, run.reads, len(run.losses), run.finished) == (7, 2, 2, True)
    assert run.origin.device == "cpu"
    assert run.losses[0] > run.losses[1]
    assert repr(run).startswith("train: 7 epochs")


def test_reading_less_often_changes_no_loss(data):
    def losses(**how):
        torch.manual_seed(1)
        return train(MLP(), data, epochs=60, progress=False, **how).losses

    every = losses()
    assert losses(read_loss_every=20) == every[19::20]
    assert losses(keep="device") == every


@pytest.fixture
def reads(monkeypatch):
    """The name of every call that brings numbers to the host, in order."""
    seen = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda self, *a, name=name, real=real: seen.append(name) or real(self, *a),
        )
    return seen


@pytest.mark.parametrize("progress", [False, True])
def test_only_the_reads_that_are_counted_happen(data, reads, progress):
    torch.manual_seed(1)
    run = train(MLP(), data, epochs=40, read_loss_every=10, progress=progress)
    assert reads == ["item"] * 4
    assert run.reads == 4
    reads.clear()
    run = train(MLP(), data, epochs=40, keep="device", progress=progress)
    assert reads == ["tolist"]
    assert (run.reads, run.epochs_read) == (1, tuple(range(1, 41)))


def test_an_interrupt_in_the_first_step_gives_an_empty_run(model, data):
    def press_stop(*_):
        raise KeyboardInterrupt

    model.register_forward_hook(press_stop)
    for keep in ("reads", "device"):
        run = train(model, data, epochs=5, keep=keep, progress=False)
        assert (run.epochs, run.losses, run.stopped) == (0, (), "interrupted")
        assert "interrupted" in repr(run)


def test_double_precision_losses_stay_as_they_are(data):
    doubles = replace(data, x_train=data.x_train.double())

    def losses(keep):
        torch.manual_seed(1)
        return train(MLP().double(), doubles, epochs=20, keep=keep, progress=False).losses

    assert losses("reads") == losses("device")


def test_it_trains_in_place_and_reseeds_nothing(model, data):
    before = model.fc1.weight.detach().clone()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(model, data, epochs=3, progress=False)
    assert torch.rand(1) == expected
    assert not torch.equal(before, model.fc1.weight)


def test_the_clock_covers_the_loop_and_not_the_checks(model, data, clock):
    model.register_forward_hook(lambda *_: clock.work(2)())
    run = train(model, data, epochs=5, progress=False)
    assert run.seconds == 10
    assert run.step_us == 2e6


@pytest.mark.parametrize("keep", ["reads", "device"])
def test_an_interrupt_gives_the_run_so_far(model, data, keep):
    calls = []

    def press_stop(*_):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt

    model.register_forward_hook(press_stop)
    run = train(model, data, epochs=50, keep=keep, progress=False)
    assert run.stopped == "interrupted"
    assert not run.finished
    assert run.epochs_read == tuple(range(1, 7))
    assert len(run.losses) == 6
    torch.manual_seed(42)
    assert run.losses == train(MLP(), data, epochs=6, progress=False).losses


def test_on_read_may_stop_early(model, data):
    seen = []

    def on_read(epoch, loss):
        seen.append((epoch, loss))
        return epoch == 30

    assert train(
        model, data, epochs=3, on_read=lambda *_: "some text", progress=False
    ).finished  # only True stops
    run = train(model, data, epochs=100, read_loss_every=10, on_read=on_read, progress=False)
    assert [epoch for epoch, _ in seen] == [10, 20, 30]
    assert tuple(loss for _, loss in seen) == run.losses
    assert (run.epochs, run.finished) == (30, False)
    assert "epoch 30" in run.stopped


@pytest.mark.parametrize(("keep", "epochs"), [("reads", 10), ("device", 40)])
def test_a_loss_that_is_not_finite_stops_the_run_at_the_next_read(model, data, keep, epochs):
    how = {"keep": "device"} if keep == "device" else {"read_loss_every": 10}
    with torch.no_grad():
        model.fc2.bias[0] = math.inf
    with pytest.warns(RuntimeWarning, match="the loss is nan at epoch .* smaller lr"):
        run = train(model, data, epochs=40, progress=False, **how)
    assert (run.epochs, run.finished) == (epochs, False)


def test_the_progress_bar_shows_and_changes_nothing(data, capsys):
    torch.manual_seed(1)
    quiet = train(MLP(), data, epochs=30, progress=False)
    assert capsys.readouterr().out == ""
    torch.manual_seed(1)
    shown = train(MLP(), data, epochs=30, progress=True)
    assert "30" in capsys.readouterr().out
    assert shown.losses == quiet.losses


def test_any_module_of_the_right_shape_can_be_trained(data):
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    assert train(model, data, epochs=2, progress=False).finished


def test_accuracy_is_of_the_test_rows(data):
    model = MLP()
    right = model(data.x_test).argmax(dim=1)
    assert accuracy(model, replace(data, y_test=right)) == 1.0
    assert accuracy(model, replace(data, y_test=(right + 1) % 3)) == 0.0


class ManyMLPs(nn.Module):
    """The same network from many seeds, trained at once: every parameter has one more dimension in front."""

    def __init__(self, models):
        super().__init__()
        for name, _ in models[0].named_parameters():
            stacked = torch.stack([m.get_parameter(name).detach() for m in models])
            self.register_parameter(name.replace(".", "_"), nn.Parameter(stacked))

    def forward(self, x):
        hidden = torch.relu(x @ self.fc1_weight.mT + self.fc1_bias[:, None])
        return hidden @ self.fc2_weight.mT + self.fc2_bias[:, None]


def train_many(seeds, data, epochs):
    """(losses after each epoch: epochs x seeds, the trained models)"""
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(MLP())
    many, losses = ManyMLPs(models), []
    optimizer, y = torch.optim.SGD(many.parameters(), lr=0.01), data.y_train.repeat(len(models))
    for _ in range(epochs):
        scores = many(data.x_train)
        each = (
            nn.functional.cross_entropy(scores.flatten(0, 1), y, reduction="none")
            .view(len(models), -1)
            .mean(dim=1)
        )
        optimizer.zero_grad()
        each.sum().backward()
        optimizer.step()
        losses.append(each.detach())
    return torch.stack(losses), many


def test_twenty_seeds_learn(data):
    seeds, epochs = range(20), 20_000
    losses, many = train_many(seeds, data, epochs)
    for seed in (0, 19):  # the fast path is the same training
        torch.manual_seed(seed)
        run = train(MLP(), data, epochs=500, progress=False)
        assert torch.allclose(losses[:500, seed], torch.tensor(run.losses), rtol=1e-4)
    assert losses[-1].min() >= 0.055 and losses[-1].max() <= 0.080
    right = (many(data.x_test).argmax(dim=2) == data.y_test).float().mean(dim=1)
    assert right.min() >= 0.93


def test_a_step_returns_its_loss_and_waits_for_nothing(model, data, reads):
    step = make_step(model, data)
    first, second = step(), step()
    assert reads == []
    assert first.shape == ()
    assert second < first


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("keep", ["reads", "device"])
def test_a_gpu_learns_what_the_cpu_learns(keep):
    def losses(device):
        torch.manual_seed(42)
        run = train(MLP().to(device), load_iris(device), epochs=500, keep=keep, progress=False)
        assert run.origin.device.startswith(device)
        return torch.tensor(run.losses)

    assert torch.allclose(losses("cuda"), losses("cpu"), rtol=1e-4)
