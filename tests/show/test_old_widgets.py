"""The controls with ipywidgets and ipykernel as old as Colab's: made-up ones, then real ones."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter
from jupyter_client import KernelManager

from day37 import TrainingConsole
from tests.show.test_console import MANY, finish
from tests.show.test_explorers import VIEW, each_control, shown

ROOT = Path(__file__).parent.parent.parent
DEAF = "While a cell runs, no button is heard here (ipykernel 6.17.1): interrupt the cell first."

# An ipywidgets 7 that is made up


class Old:
    """A widget without tooltip and mimebundle, that shows itself and takes no name it lacks."""

    first = ("value", "min", "max")
    more = ("step", "options", "description", "description_tooltip", "format", "layout", "style")
    shown = []  # those that have shown themselves

    def __init__(self, *first, readout_format=None, **names):
        self.__dict__ = dict.fromkeys(self.first + self.more) | {"changed": lambda _: None}
        for name, value in (names | dict(zip(self.first, first, strict=False))).items():
            setattr(self, name, value)
        if self.options and self.value is None:
            self.value = self.options[0]

    def __setattr__(self, name, value):
        assert name == "__dict__" or hasattr(self, name), name
        super().__setattr__(name, value)
        if name == "value":
            self.changed(self)

    def observe(self, fn, name):
        self.changed = fn

    def _ipython_display_(self, **_):
        self.shown.append(self)


class OldBox(Old):
    first = ("children",)


class OldButton(Old):
    more = (*Old.more, "tooltip", "icon", "disabled", "click")

    def on_click(self, fn):
        self.click = lambda: fn(self)


@pytest.fixture
def old(monkeypatch):
    kinds = ["HTML", "Image", "IntProgress", "BoundedIntText", "BoundedFloatText", "IntSlider"]
    kinds = dict.fromkeys([*kinds, "FloatLogSlider", "SelectionSlider", "ToggleButtons"], Old)
    kinds |= dict.fromkeys(["HBox", "VBox", "Box"], OldBox) | {"Button": OldButton}
    monkeypatch.setitem(sys.modules, "ipywidgets", SimpleNamespace(**kinds))
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    Old.shown.clear()


def hovers(control):
    fields = [field for row in control.box.children[:-2] for field in row.children]
    return [getattr(field, "tooltip", field.description_tooltip) for field in fields]


@each_control
def test_an_explorer_of_old_widgets_is_built_and_shown_and_moved(old, make):
    control = make()
    (row,) = control.box.children[:-2]
    assert hovers(control) == [field.description for field in row.children]
    assert DisplayFormatter().format(control) == ({}, {})  # nothing is left for others to show
    assert Old.shown == [control.box]
    for name, field in control.fields.items():
        before = (shown(control), control.picture.value)
        assert before[1].startswith(b"\x89PNG")
        last = (field.options or [field.max])[-1]
        field.value = last[1] if isinstance(last, tuple) else last
        assert (shown(control), control.picture.value) != before, name


def test_a_console_of_old_widgets_is_built_and_trains(old, data):
    console = TrainingConsole(data, epochs=30)
    hints = [console.start.tooltip, console.stop.tooltip]
    assert hovers(console) == ["epochs", "learning rate", "hidden width", *hints, "progress"]
    console.start.click()
    assert finish(console).epochs == console.bar.value == 30


@pytest.mark.parametrize(("number", "says"), [((6, 17, 1), [DEAF]), ((7, 0), []), (None, [])])
def test_the_console_says_whether_a_button_is_heard(old, monkeypatch, data, number, says):
    if number is not None:
        kernel = SimpleNamespace(__version__="6.17.1", version_info=number)
        monkeypatch.setitem(sys.modules, "ipykernel", kernel)
    console = TrainingConsole(data, epochs=3)
    assert console.status.value.split("<br>") == ["Press Start.", *says]
    console._show_progress(0, 3, SimpleNamespace(so_far=lambda: 1.0))
    assert console.status.value.split("<br>") == ["0 of 3 epochs, 0 a second", *says]
    console.start.click()
    finish(console)
    assert "test accuracy" in console.status.value
    assert console.status.value.split("<br>")[1:] == says


# Real kernels

K6 = ["ipykernel==6.17.1", "nest-asyncio", "ipython-genutils"]
SETS = {"Colab": ["ipywidgets==7.7.1", *K6], "8.0": ["ipywidgets==8.0.0", *K6], "installed": []}
MAKE = """
import ipykernel, ipywidgets
from day37 import TrainingConsole, load_iris
from tests.show.test_explorers import calls_control, queue_control, reads_control
"""


@pytest.fixture(scope="module", params=SETS)
def page(request, tmp_path_factory):
    """What is old lies in a folder that the kernel's Python looks into first."""
    folder = tmp_path_factory.mktemp("old")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    wanted = SETS[request.param]
    if wanted:
        quick = ["--no-deps", "--retries=1", "--timeout=15", f"--target={folder}"]
        command = [sys.executable, "-m", "pip", "install", *quick, *wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"pip does not get {wanted}: {done.stderr.splitlines()[-1:]}")
        (folder / "comm.py").write_text("raise ModuleNotFoundError('no comm', name='comm')\n")
    kernel = KernelManager()
    kernel.kernel_spec.argv[0] = sys.executable
    kernel.start_kernel(env=environment, cwd=ROOT)
    request.addfinalizer(lambda: kernel.shutdown_kernel(now=True))
    page = Page(kernel)
    page.run("print(f'ipywidgets=={ipywidgets.__version__} ipykernel=={ipykernel.__version__}')")
    assert not wanted or page.outputs[0]["text"].split() == wanted[:2]
    return page


class Page:
    """It keeps the widgets' state, as a browser does, and tells the kernel what the reader does."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.client = kernel.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=120)
        except RuntimeError as error:  # an old kernel and a new Python
            pytest.skip(f"no kernel: {error}")
        self.states = {}
        self.idle = set()  # the requests that have ended
        self.run(MAKE)

    def until(self, condition):
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, self.outputs
            self.hear(self.client.get_iopub_msg(timeout=60))

    def hear(self, message):
        content = message["content"]
        kind = message["msg_type"]
        if kind in ("comm_open", "comm_msg") and "state" in content["data"]:
            state = content["data"]["state"] | {"buffers": message["buffers"]}
            self.states.setdefault(content["comm_id"], {}).update(state)
        elif kind == "status" and content["execution_state"] == "idle":
            self.idle.add(message["parent_header"]["msg_id"])
        elif kind in ("execute_result", "display_data", "stream", "error"):
            self.outputs.append(content)

    def begin(self, code):
        self.outputs = []
        request = self.client.execute(code)
        return lambda: request in self.idle  # whether the cell has ended

    def run(self, code):
        self.until(self.begin(code))
        assert not [output for output in self.outputs if "traceback" in output], self.outputs

    def move(self, model, value=None):
        """Click a button; move another field to its end, or to the value."""
        state = self.states[model]
        if "icon" in state:
            data = {"method": "custom", "content": {"event": "click"}}
        else:
            most = 10.0 ** state["max"] if "base" in state else state.get("max")
            to = {"value": value or most}
            if "index" in state:
                to = {"index": len(state["_options_labels"]) - 1}
            data = {"method": "update", "state": to, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self.client.shell_channel.send(message)

    def children(self, model):
        return [name.removeprefix("IPY_MODEL_") for name in self.states[model]["children"]]

    def show(self, code):
        """The fields of a control by name; functions that give its status and its picture."""
        self.run(code)
        (view,) = [output["data"][VIEW]["model_id"] for output in self.outputs]
        *rows, status, below = self.children(view)
        (image,) = self.children(below)
        named = {self.states[f]["description"]: f for row in rows for f in self.children(row)}
        return named, lambda: self.states[status]["value"], lambda: self.states[image]["buffers"]


@pytest.mark.slow
@each_control
@pytest.mark.parametrize("how", ["{}()", "display({}())"])
def test_an_explorer_is_shown_and_follows_the_page(page, make, how):
    fields, status, picture = page.show(how.format(make.__name__))
    for name, field in fields.items():
        before = (status(), picture())
        assert bytes(picture()[0]).startswith(b"\x89PNG")
        page.move(field)
        page.run("")  # it has its turn after the move
        assert before != (status(), picture()), name
        assert "Error" not in status()


@pytest.mark.slow
def test_a_console_trains_is_waited_for_and_stopped_with_its_cell(page):
    fields, status, _ = page.show("console = TrainingConsole(load_iris(), epochs=50)\nconsole")
    page.move(fields["Start"])
    page.run("print(console.run, await console.done())")
    assert "50 epochs in" in page.outputs[0]["text"]
    page.until(lambda: "50 epochs in" in status())
    page.move(fields["epochs"], MANY)
    page.move(fields["Start"])
    page.until(lambda: f"of {MANY:,} epochs" in status())
    page.run("print(ipykernel.version_info[0] < 7)")
    assert page.outputs[0]["text"] == f"{DEAF in status()}\n"
    ended = page.begin("print((await console.done()).epochs)")
    page.move(fields["Stop"])
    if DEAF in status():  # else Stop has ended the training, and so the cell
        time.sleep(1)
        page.kernel.interrupt_kernel()
    page.until(ended)
    assert 0 < int(page.outputs[0]["text"]) < MANY
    page.until(lambda: "ended early: Stop" in status())
