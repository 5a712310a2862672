"""The set-up: one list of dependencies, what imports what, and what the README promises."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from day37.machines.recording import load
from tests.browser import __main__ as browser

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def test_environment_yml_has_the_names_and_floors_of_pyproject():
    project = PYPROJECT["project"]
    makes_alone = ("bench", "browser")
    extras = {
        name: lines
        for name, lines in project["optional-dependencies"].items()
        if name not in makes_alone
    }
    listed = project["dependencies"] + [line for lines in extras.values() for line in lines]
    # conda's torch brings triton where it is
    everywhere = [r for r in map(Requirement, listed) if r.name != "triton"]
    floors = {CONDA_NAMES.get(r.name, r.name): str(r.specifier) for r in everywhere}
    floors["python"] = project["requires-python"]
    *conda, pip, from_pip = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    assert {r.name: str(r.specifier) for r in map(Requirement, conda)} == floors
    assert (pip, from_pip) == ("pip", {"pip": ["-e ."]})
    assert all(re.fullmatch(r">=[\d.]+", floor) for floor in floors.values())


BARE = """
import sys
import importlib.machinery
absent = {"matplotlib", "ipywidgets", "IPython", "jupyter", "ipykernel"}
absent |= {"tqdm", "psutil", "msgspec", "numba"}
find = importlib.machinery.PathFinder.find_spec
def hide(name, *rest):
    return None if name.split(".")[0] in absent else find(name, *rest)
importlib.machinery.PathFinder.find_spec = hide
try:
    import matplotlib
except ImportError:
    pass
else:
    raise SystemExit("this test hides nothing")
import day37
from day37.experiments.fixed_costs import measure_launch
from day37.experiments.operations import count_operations
from day37.faster import ladder
from day37.machines import doctor
from day37.machines.recording import Recording, save
heavy = {"scipy", "sklearn", "matplotlib", "tqdm"} & set(sys.modules)
assert not heavy, "import day37 is no longer light"
data = day37.load_iris()
run = day37.train(day37.MLP(), data, epochs=50)
assert not run.stopped and day37.accuracy(day37.MLP(), data) >= 0
assert len(day37.train_and_keep(day37.MLP(), data, epochs=50).losses) == 50
assert day37.compare(lambda: sum(range(99)), lambda: sum(range(99)), repeats=8).verdict
assert count_operations(day37.MLP(), data).operations
some = {"read_loss_every": [1, 5], "epochs": [10, 20], "repeats": 3}
assert day37.fit_cost(day37.sweep_reads(day37.MLP, data, **some))
ladder.WAYS = (*ladder.WAYS[:3], ladder.WAYS[-1])
found = day37.measure_speedups(day37.MLP(), data, epochs=20, repeats=8)
assert "one function: not here: numba is not installed: pip install numba" in repr(found)
save(Recording("a test", "now", {}, ladders={"cpu": found}), sys.argv[1])
assert measure_launch(launches=5, repeats=2) and day37.describe_machine().cores
"""


@pytest.mark.slow
def test_the_library_works_with_torch_numpy_scipy_and_sklearn_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BARE, tmp_path / "recording.json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "plain loop" in repr(load(tmp_path / "recording.json").ladders["cpu"])


def tree(text):
    """The files and folders of the README's tree under day37/, in order."""
    return re.findall(r"^  ([\w.]+/?)  ", text, re.MULTILINE)


def test_the_readme_is_short_and_shows_the_tree():
    assert len(README.splitlines()) <= 120
    files = {path.name for path in (ROOT / "day37").glob("*.py")}
    folders = {f"{p.name}/" for p in (ROOT / "day37").iterdir() if (p / "__init__.py").exists()}
    assert set(tree(README)) == files | folders
    assert all(f"notebooks/{path.name}" in README for path in (ROOT / "notebooks").glob("*.ipynb"))


with_make = pytest.mark.skipif(os.name == "nt", reason="these speak to make through a Unix shell")


@with_make
def test_make_lists_its_targets():
    text = subprocess.run(
        ["make", "--no-print-directory"], capture_output=True, text=True, cwd=ROOT
    ).stdout
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert re.findall(r"^  make ([\w-]+) +\S", text, re.MULTILINE) == targets
    assert {"lab", "test", "test-browser", "bench"} <= set(targets)


@with_make
@pytest.mark.parametrize("python", ["no-such-python", "old-python"])
def test_a_missing_python_gets_one_clear_line(tmp_path, python):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.1' && exit\nexit 1\n")
    old.chmod(0o755)
    command = [
        "make",
        "lab",
        f"PYTHON={old if python == 'old-python' else python}",
        f"VENV={tmp_path / 'venv'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode != 0
    assert [line for line in done.stdout.splitlines() if "install Python 3.11 or newer" in line]


def test_without_a_browser_one_is_installed_or_asked_for(monkeypatch, capsys):
    installed, tried = [], []
    monkeypatch.setattr(browser, "there", lambda: bool(installed))
    monkeypatch.setattr(browser, "ways", lambda: iter([[["one"]], [["two"]]]))
    monkeypatch.setattr(browser.subprocess, "run", lambda command, **_: tried.append(command))
    assert browser.main() == 1 and tried == [["one"], ["two"]]
    assert "apt install chromium" in capsys.readouterr().err
    monkeypatch.setattr(browser.subprocess, "run", lambda command, **_: installed.append(command))
    assert browser.main() == 0 and installed == [["one"]]


def test_ci_and_the_workflow_call_make_test():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line.split()[1] for line in ci if line.startswith("make")] == ["test", "test-browser"]
    workflow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    )
    commands = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert [command.split()[1] for command in commands if command] == ["test", "test-browser"]
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.14"] and len(matrix["os"]) == 3
