"""PyTorch's CPU build: which machines take it, and from where. It has a tenth of the bytes."""

import http.server
import os
import shutil
import socket
import threading
import venv
import zipfile
from functools import partial

import pytest

from tests.test_setup import ANEW, INSTALL, LINT, ROOT, VENV, Project, empty_bin, with_make

pytestmark = with_make
INDEX = "https://download.pytorch.org/whl/cpu"
ASK = f"pip index versions --timeout 5 --retries 0 --index-url {INDEX} torch"
TAKE = f"pip install --quiet --no-deps --index-url {INDEX} torch"
TAKEN = "make: no NVIDIA driver was found: PyTorch's CPU build is taken"
NOT_HAD = "make: it could not be had from PyTorch's index: PyPI's build is taken"
UV = "uv pip install --quiet --python .venv/bin/python"
UV_VENV = "uv venv --quiet --allow-existing --python {home}/bin/python3 .venv"


class Machine(Project):
    """A project on a machine that says which system it is, and has no NVIDIA driver."""

    def __init__(self, home):
        super().__init__(home)
        (home / "machine").mkdir()
        self.is_a("Linux")

    def is_a(self, system):
        """What `uname` says of it."""
        path = self.home / "bin" / "uname"
        path.write_text(f"#!/bin/sh\necho {system}\n", encoding="utf-8")
        path.chmod(0o755)

    def has(self, path):
        """A file of the machine's own, which says nothing."""
        path = self.home / "machine" / path
        path.parent.mkdir(parents=True)
        path.touch()
        return path

    def make(self, *words, **more):
        return super().make(*words, f"MACHINE={self.home / 'machine'}", **more)

    def said(self):
        """What make itself printed, a line each."""
        return [line for line in self.printed.splitlines() if line.startswith("make:")]

    def torch(self):
        """The torch in .venv, as pip sees it."""
        (found,) = self.packages.glob("torch-*.dist-info")
        return found.name.removeprefix("torch-").removesuffix(".dist-info")

    def pyproject_is_newer(self):
        os.utime(self.venv / "installed", (0, 0))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_without_a_driver_torch_alone_comes_from_pytorch_s_index_and_once(machine):
    assert machine.make("lint") == [VENV, ASK, TAKE, INSTALL, *LINT]
    (line,) = machine.said()
    assert line.startswith(TAKEN) and line.endswith("with CUDA: make lab CUDA=1")
    assert machine.torch() == "9.0+cpu"
    assert machine.make("lint") == LINT and machine.said() == []
    machine.pyproject_is_newer()
    assert machine.make("lint") == [INSTALL, *LINT] and machine.said() == []


@pytest.mark.parametrize(
    "driver",
    ["proc/driver/nvidia", "dev/nvidiactl", "usr/lib/wsl/lib/libcuda.so.1", "nvidia-smi"],
)
def test_where_a_driver_is_found_nothing_changes(machine, driver):
    if driver == "nvidia-smi":
        machine.put("nvidia-smi")
    else:
        machine.has(driver)
    assert machine.make("lint") == [VENV, INSTALL, *LINT] and machine.said() == []


@pytest.mark.parametrize("other", ["dev/kfd", "dev/dxg", "usr/lib/wsl/lib/libd3d12.so"])
def test_another_card_has_no_use_for_cuda(machine, other):
    machine.has(other)
    assert machine.make("lint") == [VENV, ASK, TAKE, INSTALL, *LINT]


@pytest.mark.parametrize("system", ["Darwin", "MINGW64_NT-10.0", "FreeBSD"])
def test_linux_alone_has_cuda_builds_on_pypi(machine, system):
    machine.is_a(system)
    assert machine.make("lint") == [VENV, INSTALL, *LINT] and machine.said() == []


@pytest.mark.parametrize("setting", ["TORCH=torch", "TORCH=torch==9", "CUDA=1", "TORCH_INDEX="])
@pytest.mark.parametrize("how", ["a word to make that has pip", "the environment of one with uv"])
def test_the_user_decides(machine, setting, how):
    name, _, value = setting.partition("=")
    torch = value if name == "TORCH" else "torch"
    installs = INSTALL.replace(" torch ", f" {torch} ")
    if how.endswith("pip"):
        _, *called = machine.make("lint", setting)
    else:
        machine.put("uv")
        installs = installs.replace("pip install --quiet", UV)
        _, *called = machine.make("lint", **{name: value})
    assert called == [installs, *LINT]
    assert machine.said() == [] and machine.torch() == "9.0"


def test_a_torch_named_before_is_kept_in_a_venv_made_anew(machine):
    named = INSTALL.replace("torch", "torch==9")
    machine.make("lint", "TORCH=torch==9")
    empty_bin(machine.venv)
    assert machine.make("lint") == [VENV, named, *LINT]
    (line,) = machine.said()
    assert line.startswith(ANEW)


MIRROR = "https://mirror.example/simple"


@pytest.mark.parametrize(
    "name",
    [
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_NO_INDEX",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_INDEX",
        "UV_TORCH_BACKEND",
    ],
)
def test_who_has_set_a_mirror_keeps_it(machine, name):
    installs = INSTALL
    if name.startswith("UV"):
        machine.put("uv")
        installs = INSTALL.replace("pip install --quiet", UV)
    assert machine.make("lint", **{name: MIRROR})[1:] == [installs, *LINT]
    assert machine.said() == [] and machine.environment()[name] == MIRROR


@pytest.mark.parametrize("file", ["pip.conf", "venv.conf", ".config/uv/uv.toml", "etc", "UV", "."])
def test_a_mirror_in_a_file_counts_as_well(machine, file):
    path = machine.home / file
    environment = {}
    if file == "etc":
        path = machine.home / "machine" / "etc" / "uv" / "uv.toml"
    elif file == "UV":
        path = machine.home / "settings.toml"
        environment = {"UV_CONFIG_FILE": str(path)}
    elif file == ".":
        path = machine.folder / "uv.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[[index]]\nindex-url = "{MIRROR}"\n')
    assert machine.make("lint", **environment) == [VENV, INSTALL, *LINT]
    assert machine.said() == []


def test_other_settings_of_pip_are_no_mirror(machine):
    (machine.home / "pip.conf").write_text("global.proxy='http://proxy.example'\n")
    assert machine.make("lint", PIP_CERT="/a/cert") == [VENV, ASK, TAKE, INSTALL, *LINT]


def test_a_torch_that_is_there_is_not_exchanged(machine):
    had = machine.has("dev/nvidia0")
    machine.make("lint")
    had.unlink()
    assert machine.make("lint") == LINT
    machine.pyproject_is_newer()
    assert machine.make("lint") == [INSTALL, *LINT]
    (machine.venv / "installed").unlink()  # made by hand, that is
    assert machine.make("lint") == [INSTALL, *LINT]
    assert machine.said() == [] and machine.torch() == "9.0"


def test_an_environment_made_by_hand_without_pip_gets_one_first(machine):
    machine.make("lint", "TORCH_INDEX=", fails=True, TROUBLE="fails")
    for path in ("installing", "pip-is-there"):
        (machine.venv / path).unlink()
    assert machine.make("lint") == ["ensurepip", ASK, TAKE, INSTALL, *LINT]


@pytest.mark.parametrize(
    ("trouble", "called"), [("cannot be reached", [ASK]), ("breaks", [ASK, TAKE])]
)
def test_an_index_out_of_reach_gets_one_line_and_pypi_s_build(machine, trouble, called):
    assert machine.make("lint", TROUBLE=trouble) == [VENV, *called, INSTALL, *LINT]
    first, second = machine.said()
    assert first.startswith(TAKEN) and second.startswith(NOT_HAD)
    assert machine.printed.count("no route") == len(called) - 1
    assert machine.torch() == "9.0" and machine.make("lint") == LINT


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_who_breaks_it_off_gets_no_other_build(machine, shell):
    shell = shutil.which(shell) or "/bin/sh"
    called = machine.make("lint", f"SHELL={shell}", fails=True, TROUBLE="SIGINT")
    assert called == [VENV, ASK, TAKE]
    assert machine.make("lint") == [VENV, ASK, TAKE, INSTALL, *LINT]


@pytest.mark.parametrize("index", ["its own", "the user's"])
def test_uv_takes_it_by_its_own_option_or_from_the_index_named(machine, index):
    machine.put("uv")
    words = [] if index == "its own" else ["TORCH_INDEX=https://other.example/cpu"]
    how = "--torch-backend=cpu" if not words else "--index-url https://other.example/cpu"
    assert machine.make("lint", *words) == [
        UV_VENV.format(home=machine.home),
        f"{UV} --dry-run --no-deps {how} torch",
        f"{UV} --no-deps {how} torch",
        f"{UV} torch -e .[lab,test]",
        *LINT,
    ]
    (line,) = machine.said()
    assert line.startswith(TAKEN) and machine.torch() == "9.0+cpu"
    assert machine.make("lint") == LINT


def test_an_old_uv_or_one_without_a_way_to_the_index_goes_on_as_ever(machine):
    machine.put("uv")
    _, ask, install, *rest = machine.make("lint", TROUBLE="cannot be reached")
    assert ask == f"{UV} --dry-run --no-deps --torch-backend=cpu torch"
    assert (install, rest) == (f"{UV} torch -e .[lab,test]", LINT)
    first, second = machine.said()
    assert first.startswith(TAKEN) and second.startswith(NOT_HAD)
    assert "no such option" not in machine.printed and machine.torch() == "9.0"


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_cuda_exchanges_a_cpu_build_and_is_asked_for_once(machine, installer):
    if installer == "uv":
        machine.put("uv")
    machine.make("lint")
    exchange, *rest = machine.make("lint", "CUDA=1")
    command = f"{UV} --reinstall-package torch" if installer == "uv" else "pip install --quiet"
    assert exchange == f"{command} torch torch!=9.0+cpu -e .[lab,test]"
    assert rest == LINT and machine.said() == []
    (had,) = machine.packages.glob("torch-*.dist-info")
    had.rename(had.with_name("torch-9.0.dist-info"))
    assert machine.make("lint", "CUDA=1") == LINT == machine.make("lint")


def test_ci_asks_no_index_but_the_registry_s():
    """Where it runs, PyTorch's index may be out of reach."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert ci.index("export TORCH_INDEX=") < ci.index("make test")


# A pip that is real, but for PyPI's address. make must not know that one: it would be a mirror.
REAL_PIP = """
import os, sys
if sys.argv[1] == "install":
    os.environ["PIP_INDEX_URL"] = {pypi!r}
os.execv(sys.executable, [sys.executable, {pip!r}, *sys.argv[1:]])
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import os, shutil
def build_editable(to, *_):
    return os.path.basename(shutil.copy({wheel!r}, to))
"""


def wheel(folder, name, version, *needs, **files):
    """A wheel that holds next to nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    files[f"{about}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *needs, ""]
    files[f"{about}/METADATA"] = "\n".join(lines)
    files[f"{about}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


@pytest.fixture(scope="module")
def real_pip(tmp_path_factory):
    """The pip that a new environment has."""
    folder = tmp_path_factory.mktemp("pip")
    venv.create(folder, with_pip=True, symlinks=True)
    return next(folder.glob("lib/*/site-packages/pip"))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Lists folders, as an index does, and writes down what it was asked for."""

    def log_message(self, *_):
        self.server.asked.append(self.path)


@pytest.fixture
def indexes(tmp_path):
    """Two indexes on one server: /cpu/ stands for PyTorch's, /pypi/ for PyPI."""
    served = tmp_path / "served"
    needs = "Requires-Dist: helper"
    wheel(served / "cpu" / "torch", "torch", "9.0+cpu", needs)
    wheel(served / "cpu" / "helper", "helper", "1.0")
    wheel(served / "pypi" / "torch", "torch", "9.0", needs, "Requires-Dist: cuda")
    wheel(served / "pypi" / "helper", "helper", "2.0")
    wheel(served / "pypi" / "cuda", "cuda", "13.0")
    handler = partial(Handler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        server.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class RealMachine(Machine):
    """Its pip is a real one, and installs a small day37 that needs torch."""

    def __init__(self, home, pip, pypi):
        super().__init__(home)
        module = home / "modules" / "pip" / "__main__.py"
        module.write_text(REAL_PIP.format(pypi=f"{pypi}/pypi", pip=str(pip)), encoding="utf-8")
        extras = ("Provides-Extra: lab", "Provides-Extra: test")
        link = {"day37.pth": str(self.folder)}
        built = wheel(home, "day37", "0.1", "Requires-Dist: torch>=2.6", *extras, **link)
        (self.folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        (self.folder / "backend.py").write_text(BACKEND.format(wheel=str(built)), encoding="utf-8")

    def make(self, *words, **more):
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
        settings["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        return super().make(".venv/installed", *words, **settings, **more)

    def has_installed(self):
        found = self.packages.glob("*-*.dist-info")
        return sorted(path.name.removesuffix(".dist-info") for path in found)


@pytest.mark.slow
def test_pip_takes_torch_alone_from_the_cpu_index_and_cuda_exchanges_it(
    tmp_path, real_pip, indexes
):
    machine = RealMachine(tmp_path, real_pip, indexes.address)
    index = f"TORCH_INDEX={indexes.address}/cpu"
    machine.make(index)
    assert len(machine.said()) == 1 and machine.printed.count("\n") == 1, machine.printed
    assert machine.has_installed() == ["day37-0.1", "helper-2.0", "torch-9.0+cpu"]
    cpu, pypi = ([path for path in indexes.asked if path.startswith(a)] for a in ("/cpu", "/pypi"))
    assert set(cpu) == {"/cpu/torch/", "/cpu/torch/torch-9.0%2Bcpu-py3-none-any.whl"}
    assert not [path for path in pypi if path.startswith("/pypi/torch/torch")]
    indexes.asked.clear()
    machine.make(index)
    assert machine.printed == "" and indexes.asked == []
    machine.pyproject_is_newer()
    machine.make(index)
    assert machine.torch() == "9.0+cpu" and machine.said() == []
    machine.make(index, "CUDA=1")
    assert machine.has_installed() == ["cuda-13.0", "day37-0.1", "helper-2.0", "torch-9.0"]
    indexes.asked.clear()
    for words in ([index, "CUDA=1"], [index]):
        machine.make(*words)
        assert machine.printed == "" and indexes.asked == []


@pytest.mark.slow
@pytest.mark.parametrize("index", ["a closed port", "no build for this Python", "no torch"])
def test_pip_goes_on_with_pypi_where_the_cpu_index_has_none(tmp_path, real_pip, indexes, index):
    machine = RealMachine(tmp_path, real_pip, indexes.address)
    address = f"{indexes.address}/empty"
    if index == "a closed port":
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
    elif index == "no build for this Python":
        built = wheel(tmp_path / "served" / "empty" / "torch", "torch", "9.0+cpu")
        built.rename(built.with_name("torch-9.0+cpu-cp27-cp27m-manylinux_2_28_x86_64.whl"))
    machine.make(f"TORCH_INDEX={address}")
    first, second = machine.said()
    assert first.startswith(TAKEN) and second.startswith(NOT_HAD)
    assert machine.printed.count("\n") == 2, machine.printed
    assert machine.has_installed() == ["cuda-13.0", "day37-0.1", "helper-2.0", "torch-9.0"]
    machine.pyproject_is_newer()
    machine.make(f"TORCH_INDEX={indexes.address}/cpu")
    assert machine.torch() == "9.0" and machine.said() == []
