"""The set-up: one list of dependencies, what imports what, and what the README promises."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
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


def conda_floors(listed):
    """The lowest version of each package in pyproject's lines, by its name in conda."""
    # conda's torch brings triton where it is
    everywhere = [r for r in map(Requirement, listed) if r.name != "triton"]
    return {CONDA_NAMES.get(r.name, r.name): str(r.specifier) for r in everywhere}


def test_environment_yml_has_the_names_and_floors_of_pyproject():
    project = PYPROJECT["project"]
    makes_alone = ("bench", "browser", "site")
    extras = {
        name: lines
        for name, lines in project["optional-dependencies"].items()
        if name not in makes_alone
    }
    listed = project["dependencies"] + [line for lines in extras.values() for line in lines]
    floors = conda_floors(listed)
    floors["python"] = project["requires-python"]
    *conda, pip, from_pip = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    assert {r.name: str(r.specifier) for r in map(Requirement, conda)} == floors
    assert (pip, from_pip) == ("pip", {"pip": ["-e ."]})
    assert all(re.fullmatch(r">=[\d.]+", floor) for floor in floors.values())


def test_binder_installs_the_lab_alone_by_one_python():
    """Its tool reads `python=3.13`, and takes `python>=3.11` for none. With a pip part that names
    a folder, each change of a text would install PyTorch anew.
    """
    project = PYPROJECT["project"]
    floors = conda_floors(project["dependencies"] + project["optional-dependencies"]["lab"])
    text = (ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8")
    python, *rest = yaml.safe_load(text)["dependencies"]
    assert re.fullmatch(r"python=3\.1[1-4]", python)
    *packages, pip, builder = rest
    assert {r.name: str(r.specifier) for r in map(Requirement, packages)} == floors
    assert [pip, builder] == ["pip", *PYPROJECT["build-system"]["requires"]]
    post = ROOT / ".binder" / "postBuild"
    assert "--no-deps --no-build-isolation" in post.read_text(encoding="utf-8")
    tracked = subprocess.run(
        ["git", "ls-files", "--stage", ".binder/postBuild"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not tracked.stdout or tracked.stdout.startswith("100755")


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
    bare = README.split("<!-- buttons: begin -->\n")[1].startswith("<!-- buttons: end -->")
    assert len(README.splitlines()) + bare <= 120  # with the line of buttons
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


# Stands for Pythons and uv on PATH, and for pip, pytest and other programs in .venv. It writes down
# how it was called, and makes real environments that are empty but for what it "installs" there.
STAND_IN = """
import json, os, signal, sys, sysconfig, time, venv
from pathlib import Path

name, words = sys.argv[1], sys.argv[2:]
home = Path(__file__).parent
trouble = os.environ.get("TROUBLE")
pip_is_there = Path(sys.prefix, "pip-is-there")

def note():
    with open(home / "calls", "a", encoding="utf-8") as calls:
        calls.write(" ".join([name, *words]) + "\\n")

def make_environment(folder):
    venv.create(folder, symlinks=True)
    for packages in Path(folder).glob("lib/*/site-packages"):
        line = f"import sys; sys.path.insert(0, {str(home / 'modules')!r})"
        (packages / "stand_in.pth").write_text(line, encoding="utf-8")

def put_torch(packages, build):
    if "--dry-run" not in words and not list(packages.glob("torch-*")):
        (packages / f"torch-{build}.dist-info").mkdir()
        text = f"Name: torch\\nVersion: {build}\\n"
        (packages / f"torch-{build}.dist-info" / "METADATA").write_text(text)

def install():
    (home / "environment").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
    packages = Path(sysconfig.get_path("purelib"))
    (packages / "half_a_package").touch()
    if trouble in ("SIGKILL", "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN) # like pip: it says so and ends by itself
        os.killpg(0, signal.Signals[trouble])
        time.sleep(0.2)
        sys.exit(1)
    if trouble == "fails":
        sys.exit("no such version")
    if trouble == "elsewhere":
        return
    if "--no-deps" in words: # PyTorch's CPU build, alone
        if trouble == "cannot be reached" or trouble == "breaks" and "--dry-run" not in words:
            sys.exit("no route, or no such option")
        put_torch(packages, "9.0+cpu")
        return
    put_torch(packages, "9.0")
    (packages / "_editable_impl_day37.pth").write_text(os.getcwd(), encoding="utf-8")
    for program in ("ruff", "jupyter"):
        path = Path(sys.prefix, "bin", program)
        # like pip's, it needs the Python that it was installed for
        needs = f"[ -x '{sys.executable}' ] || exit 1\\n"
        note_it = f'echo {program} "$*" >>"{home}/calls"\\n'
        path.write_text("#!/bin/sh\\n" + needs + note_it, encoding="utf-8")
        path.chmod(0o755)

def run_as(program):
    return f"import runpy, sys; sys.argv.insert(1, {program!r}); runpy.run_path({__file__!r})\\n"

if name == "set up":
    for module in ("pip", "ensurepip", "pytest"):
        (home / "modules" / module).mkdir(parents=True)
        (home / "modules" / module / "__init__.py").touch()
        (home / "modules" / module / "__main__.py").write_text(run_as(module))
    (home / "modules" / "tests").mkdir()
    (home / "modules" / "tests" / "notebooks.py").write_text(run_as("tests.notebooks"))
elif name.startswith("python"):
    if words[:2] == ["-m", "venv"]:
        note()
        make_environment(words[2])
        Path(words[2], "pip-is-there").touch()
    elif words[:3] == ["-m", "pip", "config"]:
        print((home / "pip.conf").read_text())
    elif words[0] == "-c" and name == "python3.99":
        exec("import sys; sys.version_info = (3, 99, 0);" + words[1])
    else:
        os.execv(sys.executable, [sys.executable, *words])
elif name == "uv":
    note()
    if words[0] == "venv":
        make_environment(words[-1])
    else:
        os.execv(words[4], [words[4], __file__, "uv installs", *words[5:]])
elif name == "uv installs":
    install()
elif name == "pip":
    if not pip_is_there.exists():
        sys.exit("No module named pip")
    if words[0] == "config":
        print((home / "venv.conf").read_text())
    if words[0] in ("install", "index"):
        note()
    if words[0] == "install":
        install()
    if words[0] == "index" and trouble == "cannot be reached":
        sys.exit("no route")
elif name == "ensurepip":
    note()
    pip_is_there.touch()
else:
    note()
"""
TOOLS = ["sh", "env", "grep", "sed", "rm", "mkdir", "touch", "cat", "ls", "id", "mv"]
VENV = "python3 -m venv .venv"
INSTALL = "pip install --quiet torch -e .[lab,test]"
LINT = ["ruff check .", "ruff format --check ."]
ANEW = "make: .venv is made anew"


class Project:
    """A project of this Makefile in a folder whose name is hard, on a machine of stand-ins."""

    def __init__(self, home):
        self.home = home
        self.folder = home / "day 37 课程"
        (self.folder / "day37").mkdir(parents=True)
        (self.folder / "day37" / "__init__.py").touch()
        (self.folder / "pyproject.toml").touch()
        shutil.copy(ROOT / "Makefile", self.folder)
        (home / "bin").mkdir()
        for tool in TOOLS:
            (home / "bin" / tool).symlink_to(shutil.which(tool))
        (home / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
        (home / "pip.conf").touch()
        (home / "venv.conf").touch()
        self.put("python3")
        subprocess.run([sys.executable, home / "stand_in.py", "set up"], check=True)

    @property
    def venv(self):
        return self.folder / ".venv"

    @property
    def packages(self):
        return next(self.venv.glob("lib/*/site-packages"))

    def put(self, name):
        """A stand-in of this name on PATH."""
        path = self.home / "bin" / name
        words = f"'{sys.executable}' -I -S '{self.home}/stand_in.py' {name}"
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        path.chmod(0o755)

    def make(self, *words, fails=False, **environment):
        """What was called by make, a line each; what it printed is in `printed`."""
        (self.home / "calls").write_text("")
        basic = {"PATH": str(self.home / "bin"), "HOME": str(self.home)}
        done = subprocess.run(
            [shutil.which("make"), "--no-print-directory", *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=basic | environment,
            start_new_session=True,
        )
        self.printed = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, self.printed
        return (self.home / "calls").read_text(encoding="utf-8").splitlines()

    def environment(self):
        """What pip or uv was given as the environment."""
        return json.loads((self.home / "environment").read_text(encoding="utf-8"))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@with_make
def test_make_installs_once_and_again_when_pyproject_is_newer(project):
    assert project.make("lint") == [VENV, INSTALL, *LINT]
    (project.packages / "a_student_s_own").touch()
    assert project.make("lint") == LINT and ANEW not in project.printed
    later = time.time() + 9
    os.utime(project.folder / "pyproject.toml", (later, later))
    assert project.make("lint") == [INSTALL, *LINT]
    assert (project.packages / "a_student_s_own").exists()


@with_make
def test_make_works_in_a_folder_with_blanks_and_chinese(project):
    (project.folder / "notebooks").mkdir()
    for lesson in ("01_a", "02_b"):
        (project.folder / "notebooks" / f"{lesson}.ipynb").touch()
    called = project.make("test")
    assert called[:4] == [VENV, INSTALL, *LINT]
    assert [call.split()[-1] for call in called[5:]] == [
        "notebooks/01_a.ipynb",
        "notebooks/02_b.ipynb",
        "build/short/zh",  # short copies are written ...
        "build/short/zh",  # ... and run
    ]
    (lab,) = project.make("lab")
    assert lab.startswith("jupyter lab --ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/01_")
    (lab,) = project.make("lab", "DAY37_LANGUAGE=zh")
    assert " --LabApp.default_url=/lab/tree/notebooks/zh/01_" in lab


@with_make
def test_what_needs_venv_is_not_installed_again_either(project):
    assert "pip install --quiet -e .[bench]" in project.make("bench", "-i")
    assert not [call for call in project.make("bench", "-i") if call.startswith("pip")]


@with_make
@pytest.mark.parametrize("how", ["moved", "copied", "moved by hand"])
def test_a_folder_moved_or_copied_gets_a_new_venv(project, how):
    project.make("lint", "TORCH=torch==2.13.0")
    if how == "moved by hand":  # without make, that is
        (project.venv / "installed").unlink()
    old = project.folder
    project.folder = project.home / "another name 2"
    if how == "copied":
        shutil.copytree(old, project.folder, symlinks=True)
    else:
        old.rename(project.folder)
    install = INSTALL if how == "moved by hand" else INSTALL.replace("torch", "torch==2.13.0")
    assert project.make("lint") == [VENV, install, *LINT]
    assert project.printed.count(ANEW) == 1
    assert str(project.folder) in (project.venv / "bin" / "ruff").read_text(encoding="utf-8")
    assert project.make("lint") == LINT


@with_make
def test_a_folder_moved_is_left_alone_where_its_old_name_still_leads_to_it(project):
    project.make("lint")
    old = project.folder
    project.folder = project.home / "new"
    old.rename(project.folder)
    old.symlink_to(project.folder)
    assert project.make("lint") == LINT


def lose_python(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/no/such/python")


def lose_bin(venv):
    shutil.rmtree(venv / "bin")


def empty_bin(venv):
    lose_bin(venv)
    (venv / "bin").mkdir()


def upgrade_python(venv):
    (packages,) = venv.glob("lib/python3*")
    packages.rename(venv / "lib" / "python3.0")


def lose_the_disk(venv):
    shutil.rmtree(venv)
    venv.symlink_to("/no/such/folder")


def lose_the_settings(venv):
    (venv / "pyvenv.cfg").unlink()


@with_make
@pytest.mark.parametrize(
    ("happens", "installer"),
    [
        (lose_python, "pip"),
        (lose_python, "uv"),
        (lose_bin, "pip"),
        (empty_bin, "pip"),
        (upgrade_python, "pip"),
        (lose_the_disk, "pip"),
        (lose_the_settings, "pip"),
        (lose_the_settings, "uv"),
    ],
)
def test_a_venv_that_broke_is_made_anew(project, happens, installer):
    if installer == "uv":
        project.put("uv")
    first = project.make("lint")
    (project.packages / "of_the_old").touch()
    happens(project.venv)
    assert project.make("lint") == first and len(first) == 4
    assert not list(project.venv.glob("lib/*/site-packages/of_the_old"))
    assert project.make("lint") == LINT


@with_make
def test_a_broken_venv_that_is_a_link_leaves_nothing_behind(project):
    """It lay on a larger disk. Python makes none through a link."""
    project.make("lint")
    there = project.home / "scratch"
    project.venv.rename(there)
    project.venv.symlink_to(there)
    assert project.make("lint") == LINT
    empty_bin(there)
    assert project.make("lint") == [VENV, INSTALL, *LINT]
    assert not project.venv.is_symlink() and not list(there.iterdir())


@with_make
@pytest.mark.parametrize("end", ["SIGKILL", "SIGINT"])
@pytest.mark.parametrize("before", ["nothing", "an install"])
def test_an_install_that_was_cut_off_begins_anew(project, end, before):
    if before == "an install":
        project.make("lint")
    shell = shutil.which("bash") or "/bin/sh"  # bash lives on where pip says that it was cut off
    words = ("lint", "TORCH=torch==2.13.0", f"SHELL={shell}")
    called = project.make(*words, fails=True, TROUBLE=end)
    assert called[-1] == INSTALL.replace("torch", "torch==2.13.0")
    assert (project.venv / "installed").exists() == (before == "an install")
    (project.packages / "of_the_old").touch()
    assert project.make("lint") == [VENV, INSTALL, *LINT] and ANEW in project.printed
    assert not (project.packages / "of_the_old").exists()
    assert project.make("lint") == LINT


@with_make
def test_an_install_that_failed_is_tried_anew_and_spoils_no_good_venv(project):
    assert project.make("lint", fails=True, TROUBLE="fails") == [VENV, INSTALL]
    assert not (project.venv / "installed").exists()
    assert project.make("lint") == [VENV, INSTALL, *LINT]
    project.make("lint", "TORCH=torch==99", fails=True, TROUBLE="fails")
    assert project.make("lint") == LINT


@with_make
def test_packages_that_went_elsewhere_get_one_clear_line(project):
    for _ in range(2):
        project.make("lint", fails=True, TROUBLE="elsewhere")
        assert "make: packages were not installed into .venv" in project.printed
    assert project.make("lint") == [INSTALL, *LINT]


@with_make
def test_another_torch_is_installed_when_named_and_kept_when_not(project):
    project.make("lint")
    other = INSTALL.replace("torch", "torch==2.13.0")
    assert project.make("lint", "TORCH=torch==2.13.0") == [other, *LINT]
    assert project.make("lint", TORCH="torch==2.13.0") == LINT
    assert project.make("lint") == LINT
    empty_bin(project.venv)
    assert project.make("lint") == [VENV, other, *LINT]
    assert project.make("lint", "TORCH=torch") == [INSTALL, *LINT]


@with_make
def test_another_python_is_used_when_named(project):
    project.put("python3.99")
    assert project.make("lint", "PYTHON=python3") == [VENV, INSTALL, *LINT]
    assert project.make("lint", "PYTHON=python3") == LINT
    anew = ["python3.99 -m venv .venv", INSTALL, *LINT]
    assert project.make("lint", "PYTHON=python3.99") == anew
    assert project.make("lint", PYTHON="python3.99") == anew  # the stand-in makes the wrong one
    assert project.make("lint") == LINT
    assert project.make("lint", "PYTHON=python3.98", fails=True) == []
    assert "make: 'python3.98' was not found" in project.printed
    assert project.make("lint") == LINT
    programs = project.home / "bin"
    shutil.copy(programs / "python3", project.folder / "a python")
    assert project.make("lint", "PYTHON=./a python") == LINT
    (programs / "python3.99").rename(programs / "python3")  # it moved on, and nobody named it
    assert project.make("lint") == LINT


@with_make
def test_a_venv_made_by_hand_is_kept(project):
    subprocess.run([project.home / "bin" / "python3", *VENV.split()[1:]], cwd=project.folder)
    (project.packages / "a_student_s_own").touch()
    project.make("lint", fails=True, TROUBLE="fails")
    assert project.make("lint") == [INSTALL, *LINT]
    assert (project.packages / "a_student_s_own").exists() and ANEW not in project.printed


@with_make
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_settings_for_elsewhere_do_not_reach_venv(project, installer):
    if installer == "uv":
        project.put("uv")
    settings = dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"), "/elsewhere")
    settings |= dict.fromkeys(("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE"), "/elsewhere")
    settings |= dict.fromkeys(("VIRTUAL_ENV", "CONDA_PREFIX"), "/elsewhere")
    called = project.make("lint", PIP_USER="1", PIP_TIMEOUT="99", **settings)
    assert called[2:] == LINT and project.make("lint", **settings) == LINT
    given = project.environment()
    assert not {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH"} & set(given)
    assert (given["PIP_USER"], given["PIP_TIMEOUT"]) == ("0", "99")
    assert (project.packages / "_editable_impl_day37.pth").exists()


@with_make
def test_uv_is_used_and_told_where(project):
    project.put("uv")
    python = project.home / "bin" / "python3"
    (project.home / "pip.conf").write_text("global.timeout='99'\n")
    assert project.make("lint", PIP_TIMEOUT="99") == [
        f"uv venv --quiet --allow-existing --python {python} .venv",
        "uv pip install --quiet --python .venv/bin/python torch -e .[lab,test]",
        *LINT,
    ]
    assert project.environment()["UV_COMPILE_BYTECODE"] == "1"


@with_make
@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "pip.conf"])
def test_where_pip_has_a_mirror_pip_is_used(project, name):
    project.put("uv")
    mirror = "https://mirror.example/simple"
    if name == "pip.conf":
        (project.home / "pip.conf").write_text(f"global.index-url='{mirror}'\n")
    environment = {} if name == "pip.conf" else {name: mirror}
    assert project.make("lint", **environment) == [VENV, INSTALL, *LINT]
    assert project.environment().get(name) == environment.get(name)


@with_make
def test_pip_is_put_where_uv_has_put_none(project):
    project.put("uv")
    project.make("lint")
    (project.home / "bin" / "uv").unlink()
    assert project.make("lint", "TORCH=torch==2.13.0")[:2] == [
        "ensurepip",
        INSTALL.replace("torch", "torch==2.13.0"),
    ]


@with_make
@pytest.mark.parametrize("address", ["--ip=0.0.0.0", "--ip 0.0.0.0", "--ServerApp.ip=0.0.0.0"])
def test_jupyter_is_given_one_address_the_users(project, address):
    *_, lab = project.make("lab", f"LAB_ARGS=--no-browser {address}")
    assert lab.count("ip") - lab.count("ipynb") == 1 and lab.endswith(f" --no-browser {address}")


def test_the_makefile_is_one_that_make_3_81_reads():
    """macOS has that one."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    later = (
        r"^\.ONESHELL|^[\w ]+(!|::)=|^define \S+ *[:?+]?=|^undefine|\$\((file|guile|let|intcmp) "
    )
    assert re.findall(later, text, re.MULTILINE) == []


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


def test_the_site_is_built_before_it_is_read_and_published_from_main_alone():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^test-browser: \S+ site ", makefile, re.MULTILINE)
    text = (ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow[True]["push"] == {"branches": ["main"]}  # YAML takes "on" for true
    steps = workflow["jobs"]["site"]["steps"]
    assert [step["run"].split()[:2] for step in steps if "run" in step] == [
        ["make", "site"],
        ["git", "init"],
    ]
