import math
import threading
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from day37 import MLP, accuracy, load_iris, train, train_and_keep
from day37.checks import check_fit
from day37.results import Live, Origin
from day37.training import TrainingRun, make_step

each_way = pytest.mark.parametrize("train_so", [train, train_and_keep])


def test_losses_epochs_and_reads(model, data):
    run = train(model, data, epochs=7, read_loss_every=3, progress=False)
    assert run.epochs_read == (3, 6)
    assert (run.epochs, run.reads, len(run.losses), not run.stopped) == (7, 2, 2, True)
    assert not run.interrupted
    assert run.origin.device == "cpu"
    assert not run.origin.recorded
    assert run.losses[0] > run.losses[1]
    assert repr(run).startswith("train: 7 epochs")


def test_reading_less_often_changes_no_loss(data):
    def losses(train_so, **how):
        torch.manual_seed(1)
        return train_so(MLP(), data, epochs=60, progress=False, **how).losses

    every = losses(train)
    assert losses(train, read_loss_every=20) == every[19::20]
    assert losses(train_and_keep) == every


@pytest.fixture
def reads(monkeypatch):
    """The name of every call that brings numbers to the host, in order."""
    seen = []

    def spy_on(name):
        real = getattr(torch.Tensor, name)

        def spy(self, *arguments):
            seen.append(name)
            return real(self, *arguments)

        monkeypatch.setattr(torch.Tensor, name, spy)

    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__"):
        spy_on(name)
    return seen


@pytest.mark.parametrize("progress", [False, True])
def test_only_the_reads_that_are_counted_happen(data, reads, progress):
    torch.manual_seed(1)
    run = train(MLP(), data, epochs=40, read_loss_every=10, progress=progress)
    assert reads == ["item"] * 4
    assert run.reads == 4
    reads.clear()
    run = train_and_keep(MLP(), data, epochs=40, progress=progress)
    assert reads == ["tolist"]
    assert (run.reads, run.epochs, run.epochs_read) == (1, 40, tuple(range(1, 41)))


@each_way
def test_a_run_has_its_name(model, data, train_so):
    assert train_so(model, data, epochs=2, progress=False, name="mine").name == "mine"
    own = {train: "train", train_and_keep: "kept"}[train_so]
    assert train_so(model, data, epochs=2, progress=False).name == own


@each_way
def test_an_interrupt_in_the_first_step_gives_an_empty_run(model, data, train_so):
    def press_stop(*_):
        raise KeyboardInterrupt

    model.register_forward_hook(press_stop)
    run = train_so(model, data, epochs=5, progress=False)
    assert (run.epochs, run.losses, run.stopped) == (0, (), "interrupted")
    assert run.interrupted
    assert math.isnan(run.step_us)
    assert "interrupted" in repr(run)


def test_double_precision_losses_stay_as_they_are(data):
    doubles = replace(data, x_train=data.x_train.double())

    def losses(train_so):
        torch.manual_seed(1)
        return train_so(MLP().double(), doubles, epochs=20, progress=False).losses

    assert losses(train) == losses(train_and_keep)


@each_way
def test_it_trains_in_place_and_reseeds_nothing(model, data, train_so):
    before = model.fc1.weight.detach().clone()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train_so(model, data, epochs=3, progress=False)
    assert torch.rand(1) == expected
    assert not torch.equal(before, model.fc1.weight)


@each_way
def test_the_clock_covers_the_loop_and_not_the_checks(model, data, clock, monkeypatch, train_so):
    monkeypatch.setattr("day37.training.check_fit", clock.work(100))
    model.register_forward_hook(lambda *_: clock.work(2)())
    run = train_so(model, data, epochs=5, progress=False)
    assert run.seconds == 10
    assert run.step_us == 2e6


@pytest.mark.parametrize(("every", "reads"), [(1, 6), (2, 3), (6, 1)])
def test_the_clock_covers_every_read(model, data, clock, monkeypatch, every, reads):
    real = torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda loss: clock.work(5)() or real(loss))
    run = train(model, data, epochs=6, read_loss_every=every, progress=False)
    assert run.seconds == 5 * reads


def test_the_clock_covers_the_one_read_at_the_end(model, data, clock, monkeypatch):
    real = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda losses: clock.work(5)() or real(losses))
    model.register_forward_hook(lambda *_: clock.work(2)())
    run = train_and_keep(model, data, epochs=6, progress=False)
    assert run.seconds == 6 * 2 + 5


@each_way
def test_the_clock_waits_for_the_device_of_the_data(model, data, clock, monkeypatch, train_so):
    waits = []
    monkeypatch.setattr("day37.timing.synchronize", waits.append)
    train_so(model, data, epochs=3, progress=False)
    assert waits == [data.device] * 2


@each_way
def test_an_interrupt_gives_the_run_so_far(model, data, train_so):
    calls = []

    def press_stop(*_):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt

    model.register_forward_hook(press_stop)
    run = train_so(model, data, epochs=50, progress=False)
    assert run.stopped == "interrupted"
    assert run.interrupted
    assert run.stopped
    assert run.epochs == 6
    assert run.epochs_read == tuple(range(1, 7))
    assert len(run.losses) == 6
    torch.manual_seed(42)
    assert run.losses == train(MLP(), data, epochs=6, progress=False).losses


def test_on_read_may_stop_early(model, data):
    seen = []

    def on_read(epoch, loss):
        seen.append((epoch, loss))
        return epoch == 30

    no_reason = train(model, data, epochs=3, on_read=lambda *_: "some text", progress=False)
    assert not no_reason.stopped  # only True stops
    run = train(model, data, epochs=100, read_loss_every=10, on_read=on_read, progress=False)
    assert [epoch for epoch, _ in seen] == [10, 20, 30]
    assert tuple(loss for _, loss in seen) == run.losses
    assert (run.epochs, not run.stopped, run.interrupted) == (30, False, False)
    assert "epoch 30" in run.stopped


def test_an_interrupt_in_on_read_keeps_the_loss_that_was_read(model, data):
    def press_stop(*_):
        raise KeyboardInterrupt

    run = train(model, data, epochs=9, read_loss_every=3, on_read=press_stop, progress=False)
    assert (run.interrupted, run.epochs, run.epochs_read, len(run.losses)) == (True, 3, (3,), 1)


@pytest.mark.parametrize(
    ("train_so", "how", "epochs"),
    [(train, {"read_loss_every": 10}, 10), (train_and_keep, {}, 40)],
)
def test_a_loss_that_is_not_finite_stops_the_run_at_the_next_read(
    model, data, train_so, how, epochs
):
    with torch.no_grad():
        model.fc2.bias[0] = math.inf
    with pytest.warns(RuntimeWarning, match="the loss is nan at epoch .* smaller lr"):
        run = train_so(model, data, epochs=40, progress=False, **how)
    assert (run.epochs, not run.stopped, run.interrupted) == (epochs, False, False)


def test_the_first_loss_that_is_not_finite_is_named(model, data):
    calls = []

    def spoil(*_):
        calls.append(1)
        if len(calls) == 4:
            with torch.no_grad():
                model.fc2.bias[0] = math.inf

    model.register_forward_pre_hook(spoil)
    with pytest.warns(RuntimeWarning) as caught:
        run = train_and_keep(model, data, epochs=9, progress=False)
    assert run.stopped.startswith("the loss is nan at epoch 4: ")
    assert caught[0].filename == __file__  # the line that called, not one of the library
    assert all(map(math.isfinite, run.losses[:3]))


def test_a_failed_loss_warns_only_in_the_main_thread(model, data):
    with torch.no_grad():
        model.fc2.bias[0] = math.inf
    runs = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        work = threading.Thread(
            target=lambda: runs.append(train(model, data, epochs=3, progress=False))
        )
        work.start()
        work.join()
    assert "the loss is nan" in runs[0].stopped


@each_way
def test_the_progress_bar_shows_and_changes_nothing(data, capsys, train_so):
    torch.manual_seed(1)
    quiet = train_so(MLP(), data, epochs=30, progress=False)
    assert capsys.readouterr().out == ""
    torch.manual_seed(1)
    shown = train_so(MLP(), data, epochs=30, progress=True)
    assert "30" in capsys.readouterr().out
    assert shown.losses == quiet.losses


def test_without_tqdm_it_trains_and_shows_nothing(model, data, capsys, monkeypatch):
    monkeypatch.setattr("day37.training.find_spec", lambda _: None)
    assert train(model, data, epochs=5).stopped == ""
    assert capsys.readouterr() == ("", "")


def test_any_module_of_the_right_shape_can_be_trained(data):
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    assert train(model, data, epochs=2, progress=False).stopped == ""


def test_a_fit_is_judged_by_the_first_and_the_last_linear_layer_and_what_is_to_be_trained(data):
    check_fit(nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 9), nn.Linear(9, 3)), data)
    frozen = nn.Sequential(nn.Linear(4, 6).double().requires_grad_(False), nn.Linear(6, 3))
    check_fit(frozen, data)
    check_fit(nn.Sequential(nn.Conv1d(4, 3, 1)), data)  # no linear layer tells a width
    two = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    with pytest.raises(ValueError, match="labels from 0 to 1, but it is 'labels 0 to 2'"):
        check_fit(two, data)
    no_labels = SimpleNamespace(x_train=data.x_train)
    with pytest.raises(TypeError, match="data must be an IrisSplit, but it is 'SimpleNamespace'"):
        check_fit(MLP(), no_labels)


def test_accuracy_is_of_the_test_rows(data):
    model = MLP()
    right = model(data.x_test).argmax(dim=1)
    assert accuracy(model, replace(data, y_test=right)) == 1.0
    assert accuracy(model, replace(data, y_test=(right + 1) % 3)) == 0.0
    half = torch.where(torch.arange(30) < 15, right, (right + 1) % 3)
    assert accuracy(model, replace(data, y_test=half)) == 0.5


def train_many(seeds, data, epochs):
    """Train an MLP from each seed, all at once, with the gradients worked out by hand.

    The losses before each step, (epochs, seeds), and the share of the test rows each gets right.
    The models are stacked along the first dimension; rows are the last.
    """
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(MLP())
    w1, b1, w2, b2 = (
        torch.stack([model.get_parameter(name).detach() for model in models])
        for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    )
    first = torch.cat([w1, b1[:, :, None]], dim=2).flatten(0, 1)  # all first layers are one
    second = torch.cat([w2, b2[:, :, None]], dim=2)
    hidden = torch.ones(len(models), 11, len(data.x_train))  # the last of the 11 is for the bias
    x = torch.cat([data.x_train, torch.ones(len(data.x_train), 1)], dim=1)
    truth = nn.functional.one_hot(data.y_train).T.float()
    lr = 0.01 / len(x)
    losses = torch.empty(epochs, len(models))
    for epoch in range(epochs):
        hidden[:, :10] = (first @ x.T).relu_().view(-1, 10, len(x))
        log_chances = (second @ hidden).log_softmax(dim=1)
        losses[epoch] = (log_chances * truth).sum(dim=(1, 2))
        error = log_chances.exp_().sub_(truth)
        back = (second[:, :, :10].mT @ error).mul_(hidden[:, :10] > 0)
        second.baddbmm_(error, hidden.mT, alpha=-lr)
        first.addmm_(back.flatten(0, 1), x, alpha=-lr)
    tested = torch.cat([data.x_test, torch.ones(len(data.x_test), 1)], dim=1)
    active = (first @ tested.T).relu().view(-1, 10, len(tested))
    scores = second[:, :, :10] @ active + second[:, :, 10:]
    right = (scores.argmax(dim=1) == data.y_test).float().mean(dim=1)
    return -losses / len(x), right


@pytest.mark.slow
def test_twenty_seeds_learn(data):
    losses, right = train_many(range(20), data, 20_000)
    for seed in (0, 19):  # the fast path is the same training
        torch.manual_seed(seed)
        run = train(MLP(), data, epochs=500, progress=False)
        assert torch.allclose(losses[:500, seed], torch.tensor(run.losses), rtol=1e-4)
    assert losses[-1].min() >= 0.055 and losses[-1].max() <= 0.080
    assert right.min() >= 0.93


def test_a_step_returns_its_loss_and_waits_for_nothing(model, data, reads):
    step = make_step(model, data)
    first = step()
    second = step()
    assert reads == []
    assert first.shape == ()
    assert second < first


def by_hand(model, data, steps, **optimizer):
    """The loop of lesson 1: the losses of `steps` steps."""
    loss_fn = nn.CrossEntropyLoss()
    sgd = torch.optim.SGD(model.parameters(), **optimizer)
    losses = []
    for _ in range(steps):
        loss = loss_fn(model(data.x_train), data.y_train)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def two_models():
    torch.manual_seed(3)
    first = MLP()
    torch.manual_seed(3)
    return first, MLP()


@pytest.mark.parametrize("optimizer", [{}, {"lr": 0.5}, {"lr": 0.1, "momentum": 0.9}])
def test_a_step_is_the_loop_by_hand(data, optimizer):
    own, other = two_models()
    step = make_step(own, data, **optimizer)
    losses = [step().item() for _ in range(8)]
    assert losses == by_hand(other, data, 8, **{"lr": 0.01} | optimizer)


@each_way
@pytest.mark.parametrize("how", [{}, {"lr": 0.5}])
def test_a_training_is_the_loop_by_hand(data, how, train_so):
    own, other = two_models()
    run = train_so(own, data, epochs=8, progress=False, **how)
    assert run.losses == tuple(by_hand(other, data, 8, **{"lr": 0.01} | how))
    assert torch.equal(own.fc1.weight, other.fc1.weight)


def made_up_run(**parts):
    origin = Origin("cuda:0", "a GPU", "today")
    run = TrainingRun("theirs", (0.9, 0.25), (10, 20), 25, 2, 0.5, origin)
    return replace(run, **parts)


def test_a_run_prints_its_time_for_an_epoch_its_last_loss_and_its_reads():
    first, second = repr(made_up_run()).splitlines()
    assert first == "theirs: 25 epochs in 500 ms (20000.0 µs each), last loss 0.2500, 2 reads"
    assert second.strip() == "RECORDED, a GPU (cuda:0)"
    live = made_up_run(origin=Live("cuda:0", "a GPU", "today"), stopped="a reason")
    assert [line.strip() for line in repr(live).splitlines()[1:]] == [
        "LIVE, a GPU (cuda:0)",
        "stopped: a reason",
    ]


def test_only_the_stop_button_interrupts():
    ends = {"": (True, False), "interrupted": (False, True), "a reason": (False, False)}
    for stopped, end in ends.items():
        run = made_up_run(stopped=stopped)
        assert (not run.stopped, run.interrupted) == end


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"epochs": -1}, "epochs must be a whole number, 0 or more, but it is -1"),
        ({"reads": -1}, "reads must be a whole number, 0 or more, but it is -1"),
        ({"losses": (0.9,)}, "losses must be as many as epochs_read, 2, but it is '1 values'"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        made_up_run(**parts)
    assert made_up_run(epochs=0, reads=0, losses=(), epochs_read=()).losses == ()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@each_way
def test_a_gpu_learns_what_the_cpu_learns(train_so):
    def losses(device):
        torch.manual_seed(42)
        run = train_so(MLP().to(device), load_iris(device), epochs=500, progress=False)
        assert run.origin.device.startswith(device)
        return torch.tensor(run.losses)

    assert torch.allclose(losses("cuda"), losses("cpu"), rtol=1e-4)


def test_an_interrupt_stays_one_though_a_kept_loss_is_not_finite(model, data):
    calls = []

    def press_stop(*_):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with torch.no_grad():
        model.fc2.bias[0] = math.inf
    model.register_forward_hook(press_stop)
    with pytest.warns(RuntimeWarning, match="smaller lr"):
        run = train_and_keep(model, data, epochs=9, progress=False)
    assert run.interrupted and run.epochs == 3 and not math.isfinite(run.losses[0])


def test_a_single_read_is_said_in_the_singular(data):
    assert repr(train(MLP(), data, epochs=2, read_loss_every=2, progress=False)).count("1 read\n")
    assert ", 2 reads\n" in repr(train(MLP(), data, epochs=2, progress=False))
