"""The compiled function trains as lesson 1's loop does; numba keeps it on the disk if it can."""

import errno
import importlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from day37 import MLP, load_iris
from day37.faster import ways

lesson = importlib.import_module("day37.faster.one_function")  # the file, not its function
LR = 0.01
IRIS = (4, 10, 3, 120)  # features, hidden, classes, rows


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Where numba keeps what it compiles in this test; the package stays as it is."""
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def made(monkeypatch):
    """The compiled functions of this test, in order."""
    functions = []
    compiled = lesson.compiled

    def spy(*given):
        functions.append(compiled(*given))
        return functions[-1]

    monkeypatch.setattr(lesson, "compiled", spy)
    return functions


def model_and_data(features, hidden, classes, rows):
    torch.manual_seed(42)
    model = MLP(features, hidden, classes)
    if (features, hidden, classes, rows) == IRIS:
        return model, load_iris()
    labels = torch.randint(classes, (rows,))
    return model, replace(load_iris(), x_train=torch.rand(rows, features), y_train=labels)


def trained(prepare, sizes, epochs, lr=LR, scale=1.0):
    model, data = model_and_data(*sizes)
    with torch.no_grad():
        model.fc2.weight *= scale
    losses = prepare(model, data, epochs, lr)()
    return losses, [p.detach() for p in model.parameters()]


def assert_same(plain, own):
    (losses, weights), (own_losses, own_weights) = plain, own
    assert own_losses.shape == losses.shape and own_losses.dtype == torch.float32
    torch.testing.assert_close(own_losses, losses, rtol=1e-4, atol=1e-6)
    for a, b in zip(weights, own_weights, strict=True):
        assert torch.linalg.norm(a - b) <= 1e-3 * torch.linalg.norm(a)


SIZES = [
    (1, 1, 1, 1),
    (4, 1, 2, 7),
    (4, 3, 3, 120),
    (13, 10, 7, 7),
    (4, 64, 7, 120),
    (13, 1000, 3, 120),
    (1, 10, 2, 1000),
    (4, 2, 20_000, 20),
]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_any_sizes_give_the_losses_and_weights_of_the_plain_loop(sizes):
    assert_same(
        trained(ways.plain_loop, sizes, 100, 0.1), trained(lesson.one_function, sizes, 100, 0.1)
    )


def test_a_second_run_goes_on_from_where_the_first_ended():
    model, data = model_and_data(*IRIS)
    run = lesson.one_function(model, data, 10, LR)
    first = run()
    before = first.clone()
    losses = torch.cat([first, run()])
    assert torch.equal(first, before)  # each run has losses of its own
    assert_same(
        trained(ways.plain_loop, IRIS, 20), (losses, [p.detach() for p in model.parameters()])
    )


def test_scores_of_which_exp_would_overflow_give_the_losses_of_the_plain_loop():
    plain = trained(ways.plain_loop, IRIS, 1, scale=10_000)
    assert plain[0][0] > 100
    assert_same(plain, trained(lesson.one_function, IRIS, 1, scale=10_000))


def test_a_loss_that_explodes_is_not_finite_where_the_plain_loops_is_not():
    plain, own = (
        trained(prepare, IRIS, 20, 1e20)[0] for prepare in (ways.plain_loop, lesson.one_function)
    )
    assert plain.isnan().any()
    assert torch.equal(own.isnan(), plain.isnan()) and torch.equal(own.isfinite(), plain.isfinite())


def test_all_is_compiled_before_the_run(made):
    run = lesson.one_function(*model_and_data(*IRIS), 5, LR)
    made[0].disable_compile()
    assert len(run()) == 5
    assert len(made[0].signatures) == 1


def test_without_the_cache_the_disk_is_neither_read_nor_written(made, folder):
    anew = partial(lesson.one_function, cached=False)
    losses = trained(anew, IRIS, 5)[0]
    assert not list(folder.iterdir())
    trained(lesson.one_function, IRIS, 5)  # now it is on the disk
    assert torch.equal(losses, trained(anew, IRIS, 5)[0])
    assert [sum(f.stats.cache_hits.values()) for f in made] == [0, 0, 0]
    assert [f.stats.cache_path is None for f in made] == [True, False, True]


@pytest.mark.slow
def test_a_full_disk_and_a_damaged_file_do_not_stop_the_training(monkeypatch, folder):
    from numba.core.caching import IndexDataCacheFile

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    plain = trained(ways.plain_loop, IRIS, 5)
    with monkeypatch.context() as patch:
        patch.setattr(IndexDataCacheFile, "_save_data", full)
        assert_same(plain, trained(lesson.one_function, IRIS, 5))
    trained(lesson.one_function, IRIS, 5)
    for kept in (*folder.rglob("*.nbc"), *folder.rglob("*.nbi")):  # the data, then the index too
        kept.write_bytes(b"damaged")
        assert_same(plain, trained(lesson.one_function, IRIS, 5))


SESSION = """
import importlib
import sys
from day37 import MLP, load_iris
lesson = importlib.import_module("day37.faster.one_function")
assert "numba" not in sys.modules
made = []
compiled = lesson.compiled
lesson.compiled = lambda *given: made.append(compiled(*given)) or made[-1]
assert lesson.one_function(MLP(), load_iris(), 3, 0.01)().isfinite().all()
print(sum(made[0].stats.cache_hits.values()), sum(made[0].stats.cache_misses.values()))
"""


def session(folder, **environment):
    """Hits and misses of the disk in a session of its own, which prints nothing but these."""
    command = [sys.executable, "-c", SESSION]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=os.environ | environment
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


PACKAGE = Path(lesson.__file__).parents[1]


@pytest.mark.slow
def test_a_later_session_finds_it_on_the_disk(folder):
    assert session(PACKAGE.parent, NUMBA_CACHE_DIR=str(folder)) == "0 1"
    assert session(PACKAGE.parent, NUMBA_CACHE_DIR=str(folder)) == "1 0"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="numba's folder is elsewhere on Windows")
def test_without_a_folder_to_write_to_it_is_compiled_without_a_word(folder):
    shutil.copytree(PACKAGE, folder / "day37", ignore=shutil.ignore_patterns("__pycache__"))
    nowhere = folder / "a_file"
    for file in (nowhere, folder / "day37" / "faster" / "__pycache__"):
        file.write_text("")  # no folder can be made there, by root neither
    where = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"), str(nowhere / "folder"))
    assert session(folder, **where, PYTHONDONTWRITEBYTECODE="1") == "0 1"
    assert not list(folder.rglob("*.nbi"))
