"""Every way to train gives the losses and weights of the plain loop."""

import os
import subprocess
import sys
from functools import partial

import pytest
import torch

from day37 import MLP, load_iris
from day37.faster import cuda_graph, one_kernel, ways
from day37.faster.ladder import WAYS

LR = 0.01
WORKING = [way for way in WAYS if "CUDA" not in way.name]


def trained(prepare, epochs, device="cpu"):
    torch.manual_seed(42)
    model = MLP().to(device)
    losses = prepare(model, load_iris(device), epochs, LR)()
    return losses, [p.detach().cpu() for p in model.parameters()]


def assert_same(ours, theirs):
    (losses, weights), (own_losses, own_weights) = ours, theirs
    assert own_losses.shape == losses.shape and own_losses.device.type == "cpu"
    torch.testing.assert_close(own_losses, losses, rtol=1e-4, atol=0)
    for a, b in zip(weights, own_weights, strict=True):
        assert torch.linalg.norm(a - b) <= 1e-3 * torch.linalg.norm(a)


@pytest.fixture(scope="module")
def plain():
    return trained(ways.plain_loop, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("way", WORKING[1:], ids=lambda way: way.name)
def test_all_losses_of_20_000_epochs_and_the_weights_are_the_plain_loops(way, plain):
    obstacle, _ = way.needs(MLP(), torch.device("cpu"))
    if obstacle:
        pytest.skip(obstacle)
    assert_same(plain, trained(way.prepare, 20_000))


def test_a_second_run_goes_on_from_where_the_first_ended(data, model):
    run = ways.plain_loop(model, data, 10, LR)
    first, second = run(), run()
    assert_same((torch.cat([first, second]), []), (trained(ways.plain_loop, 20)[0], []))


@pytest.mark.parametrize(
    ("epochs", "most", "steps"), [(20_000, 50, 50), (7, 5, 1), (12, 5, 4), (3, 50, 3)]
)
def test_no_epoch_is_left_over(epochs, most, steps):
    assert cuda_graph.divisor(epochs, most) == steps


@pytest.mark.parametrize(("epochs", "steps"), [(60, 1), (60, 20), (2, 50)])
def test_a_graph_counts_its_epochs_on_the_device(monkeypatch, epochs, steps):
    def capture(
        new_step, steps, device
    ):  # stands in for a CUDA graph: a warm-up, and nothing run while recording
        warm, step = new_step(), new_step()
        for _ in range(cuda_graph.WARM_UP):
            warm()
        return lambda: [step() for _ in range(steps)]

    monkeypatch.setattr(cuda_graph, "_capture", capture)

    graph = partial(cuda_graph.cuda_graph, steps=steps)
    assert_same(trained(ways.plain_loop, epochs), trained(graph, epochs))


def test_packed_weights_come_back(model):
    w1, w2 = one_kernel.pack_weights(model, 16, 16, 16)
    assert w1.shape == w2.shape == (16, 16)
    assert w1[10, 4] == 1 and w1[10].sum() == 1
    back = one_kernel.unpack_weights(model, w1, w2)
    assert all(torch.equal(back[name], p) for name, p in model.named_parameters())


def test_packed_rows_count_as_much_as_the_mean_gives_them(data):
    x, truth, share = one_kernel.pack_data(data, 128, 16, 16)
    assert torch.equal(x[:4, :120].T, data.x_train) and torch.equal(x[4, :120], torch.ones(120))
    assert x[5:].sum() == x[:, 120:].sum() == 0
    assert torch.equal(truth[:, :120].argmax(0), data.y_train) and truth.sum() == 120
    assert share.sum().item() == pytest.approx(1) and share[120:].sum() == 0


INTERPRETED = """
import torch
from tests.faster.test_ways import assert_same, trained
from day37 import MLP, load_iris
from day37.faster import ways
from day37.faster.one_kernel import one_kernel
assert_same(trained(ways.plain_loop, 300), trained(one_kernel, 300))
for model, rows in ((MLP(4, 20, 3), 120), (MLP(4, 5, 3), 7)):
    data = load_iris(test_size=1 - rows / 150)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    plain = ways.plain_loop(model, data, 20, 0.1)()
    model.load_state_dict(state)
    torch.testing.assert_close(one_kernel(model, data, 20, 0.1)(), plain, rtol=1e-4, atol=0)
"""


@pytest.mark.slow
def test_the_kernel_gives_the_same_in_tritons_interpreter():
    pytest.importorskip("triton", reason="no Triton: it comes with torch's CUDA builds")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from day37.faster.kernel import WARPS, train_kernel
sizes = dict(EPOCHS=20_000, HIDDEN=10, CLASSES=3, ROWS=128, FEATURES=16, UNITS=16, OUTPUTS=16)
types = {name: "*fp32" for name in train_kernel.arg_names if name.endswith("_at")}
types |= {"lr": "fp32"} | dict.fromkeys(sizes, "constexpr")
source = ASTSource(fn=train_kernel, signature=types, constexprs=sizes)
for card in (80, 90):
    made = triton.compile(source, target=GPUTarget("cuda", card, 32), options={"num_warps": WARPS})
    assert made.asm["cubin"] and made.metadata.shared <= 48 * 1024
    assert "tf32" not in made.asm["ptx"]  # 32 bits in every product
"""


@pytest.mark.slow
def test_the_kernel_compiles_for_gpus_that_are_not_here(tmp_path):
    pytest.importorskip(
        "triton",
        minversion="3.3",
        reason="no Triton, or one before 3.3, for which this is written otherwise",
    )
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_way_gives_the_same_losses_on_a_gpu(way):
    assert_same(trained(ways.plain_loop, 20_000, "cuda:0"), trained(way.prepare, 20_000, "cuda:0"))
