"""Reading and running the lessons, for the tests.

`python -m tests.notebooks FOLDER` writes short copies of the Chinese ones.
"""

import contextlib
import io
import itertools
import re
import sys
from pathlib import Path

import matplotlib
import nbformat
from nbclient import NotebookClient

matplotlib.use("Agg")
ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
SOLUTIONS = ROOT / "notebooks" / "solutions.ipynb"
NAMES = [
    "01_cpu_baseline",
    "02_gpu_migration",
    "03_overhead_analysis",
    "04_sync_frequency",
    "05_callable_objects",
]
SHORT = 4_000  # epochs: enough for every cell to make sense
OFFLINE = """
def go_offline():
    import socket
    connect = socket.socket.connect
    def refuse(*arguments, **names):
        raise OSError("this cell asked for the network")
    def connect_here(self, to):
        here = "127.0.0.1" in str(to) or isinstance(to, (str, bytes))
        return connect(self, to) if here else refuse()
    socket.getaddrinfo = socket.create_connection = refuse
    socket.socket.connect = connect_here
go_offline()
"""
# Neither ipywidgets nor numba nor a compiler, few repeats, and figures whose words can be read.
LIGHT = """
import functools, os, pathlib, sys
import matplotlib
matplotlib.rcParams["svg.fonttype"] = "none"
%config InlineBackend.figure_formats = ["svg"]
os.environ["CXX"] = "no-such-compiler"
sys.modules["ipywidgets"] = sys.modules["numba"] = None
import day37
from day37.experiments import growth, reads
from day37.machines import recording
reads.sweep_reads = functools.partial(reads.sweep_reads, repeats=3)
# Two threads beside another test would make a step a hundred times slower.
day37.with_threads = growth.with_threads = lambda threads, fn: fn
"""
RESET = nbformat.v4.new_code_cell("%reset -f")  # forgets every name


def read(path):
    """The notebook, its JSON checked against the format."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def tags(cell):
    return cell.metadata.get("tags", [])


def code(cell):
    """A code cell's Python, without what is for IPython only."""
    return "\n".join(line for line in cell.source.splitlines() if line[:1] not in ("%", "!"))


def headings(notebook):
    """Where the text cells with a `##` heading are: the guess, the topics, exercises, the end."""
    return [
        i
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and re.search("^## ", cell.source, re.MULTILINE)
    ]


def topics(notebook):
    """The cells of each topic."""
    _, *starts, end = headings(notebook)[:-1]
    return [notebook.cells[a:b] for a, b in itertools.pairwise([*starts, end])]


def without_exercises(notebook):
    """The cells but those of the exercises."""
    *_, exercises, end = headings(notebook)
    return [*notebook.cells[:exercises], *notebook.cells[end:]]


def replace_parameters(notebook, **parameters):
    """Give parameters other values, in place, as papermill does: in a cell after theirs."""
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in tags(cell))
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["setup"]})
    notebook.cells.insert(at + 1, cell)


def shorten(notebook):
    """Few epochs, in place."""
    replace_parameters(notebook, EPOCHS=SHORT)


def write_short(folder):
    """Write the Chinese lessons with few epochs, and the solutions, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*LESSONS, SOLUTIONS):
        notebook = read(path.parent / "zh" / path.name)
        if path in LESSONS:
            shorten(notebook)
        nbformat.write(notebook, folder / path.name)


def run(cells, folder, *, first=""):
    """Run the code cells among these in a new kernel, after `OFFLINE`, `LIGHT` and `first`.

    Returns copies of them with their outputs; what a cell raised is among these.
    """
    cells = [cell for cell in cells if cell.cell_type == "code"]
    copies = [nbformat.v4.new_code_cell(cell.source, metadata={"of": cell.id}) for cell in cells]
    opening = nbformat.v4.new_code_cell(OFFLINE + LIGHT + first + RESET.source)
    notebook = nbformat.v4.new_notebook(cells=[opening, *copies])
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=120, allow_errors=True, resources=place).execute()
    assert errors([opening]) == []
    return copies


def errors(cells):
    """What the cells raised, each with the cell's id."""
    return [
        f"{cell.metadata.get('of')}: {output.ename}: {output.evalue}"
        for cell in cells
        for output in cell.outputs
        if output.output_type == "error"
    ]


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


if __name__ == "__main__":
    write_short(Path(sys.argv[1]))
