"""Reading and running the lessons, for the tests."""

import contextlib
import io
from pathlib import Path

import matplotlib
import nbformat
from nbclient import NotebookClient

matplotlib.use("Agg")
FOLDER = Path(__file__).parent.parent / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [
    "01_cpu_baseline",
    "02_gpu_migration",
    "03_overhead_analysis",
    "04_sync_frequency",
    "05_callable_objects",
]
SHORT = 4_000  # epochs: enough for every cell to make sense
OFFLINE = """
import socket
def _refuse(*arguments, **names): raise OSError("this cell asked for the network")
_connect = socket.socket.connect
socket.getaddrinfo = socket.create_connection = _refuse
def _local_only(self, to):
    here = "127.0.0.1" in str(to) or isinstance(to, (str, bytes))
    return _connect(self, to) if here else _refuse()
socket.socket.connect = _local_only
"""


def read(path):
    """The notebook, its JSON checked against the format."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def tags(cell):
    return cell.metadata.get("tags", [])


LIGHT = """
import functools, pathlib, sys
import day37
from day37.experiments import growth, reads
from day37.faster import ladder
from day37.machines import recording
sys.modules["ipywidgets"] = None
ladder.WAYS = ladder.WAYS[:3]  # no compiler
reads.sweep_reads = functools.partial(reads.sweep_reads, repeats=3)
# Two threads beside another test would make a step a hundred times slower.
day37.with_threads = growth.with_threads = lambda threads, fn: fn
"""


def shorten(notebook):
    """Few epochs and repeats, in place."""
    for cell in notebook.cells:
        if "parameters" in tags(cell):
            cell.source = cell.source.replace("20_000", str(SHORT))
        cell.source = cell.source.replace("repeats=12", "repeats=8")


def run(path, folder, *, times=1, device=None, first=""):
    """Run a lesson with few epochs in `folder`, each cell `times` times in a row, offline.

    On `device` if one is given. `first` is run before its first cell.
    Returns the notebook with its outputs; raises what a cell raised.
    """
    notebook = read(path)
    shorten(notebook)
    for cell in notebook.cells:
        if "parameters" in tags(cell) and device is not None:
            cell.source = cell.source.replace("choose_device()", f"choose_device({device!r})")
    cells = [nbformat.v4.new_code_cell(OFFLINE + first)]
    for cell in notebook.cells:
        cells += (
            [nbformat.v4.new_code_cell(cell.source) for _ in range(times)]
            if cell.cell_type == "code"
            else []
        )
    notebook.cells = cells
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def taught(path, tag, **parameters):
    """The names after running the lesson's set-up cells and the cell with this tag.

    Its parameters are replaced by those given.
    """
    names = {}
    for cell in read(path).cells:
        if "setup" in tags(cell) or tag in tags(cell):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, f"{path.name}:{cell.id}", "exec"), names)
            if "parameters" in tags(cell):
                names |= parameters
        if tag in tags(cell):
            return names
    raise LookupError(f"{path.name} has no cell tagged {tag}")
