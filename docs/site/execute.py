"""Runs each notebook once, on a copy, and keeps the copy as long as nothing has changed.

A copy keeps in its metadata, under "measured", what its figures depend on (`key`) and where and
when they were measured.
"""

import datetime
import hashlib
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from docs.site.launch import ROOT, git

SETTINGS = """
c.InlineBackend.figure_formats = {"retina"}  # two pixels for one: sharp on a good screen
"""
# A figure's text, in place of "<Figure size ...>": it becomes the picture's alternative text.
STARTUP = """
def _words(figure, printer, cycle):
    titles = [figure.get_suptitle()] + [axes.get_title() for axes in figure.axes]
    labels = [axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes]
    said = [" ".join(text.split()) for text in titles + labels if text.strip()]
    printer.text("; ".join(dict.fromkeys(said)))

def _register(*_):  # matplotlib removes it when it starts
    plain = get_ipython().display_formatter.formatters["text/plain"]
    plain.for_type_by_name("matplotlib.figure", "Figure", _words)

get_ipython().events.register("pre_run_cell", _register)
get_ipython().events.register("post_execute", _register)
"""


def key(path: Path) -> str:
    """What the outputs of the notebook at `path` depend on, as 16 hex digits.

    That is the notebook, every file of the library, Python and PyTorch. (A cache that looks at the
    cells alone would keep what an older library has printed.)
    """
    digest = hashlib.sha256(f"{platform.python_version()} {version('torch')}".encode())
    library = (ROOT / "day37").rglob("*")
    files = [file for file in library if file.is_file() and "__pycache__" not in file.parts]
    for file in [path, Path(__file__), *sorted(files)]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def execute(path: Path, kept: Path) -> nbformat.NotebookNode:
    """The notebook at `path` with its outputs: those in the file `kept`, or else new ones.

    CellExecutionError, with the cell's source and error, where a cell fails.
    """
    wanted = key(path)
    if kept.exists():
        notebook = nbformat.read(kept, as_version=4)
        if notebook.metadata.measured.key == wanted:
            return notebook
    print(f"{path.name} runs, with all its epochs ...", flush=True)
    notebook = nbformat.read(path, as_version=4)
    run(notebook)
    notebook.metadata.measured = {"key": wanted, **where_and_when()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


def run(notebook: nbformat.NotebookNode) -> None:
    """Run its cells in a new kernel, in place, with sharp figures that say their titles."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile_default")
        (profile / "startup").mkdir(parents=True)
        (profile / "ipython_kernel_config.py").write_text(SETTINGS, encoding="utf-8")
        (profile / "startup" / "words.py").write_text(STARTUP, encoding="utf-8")
        # The builder's own exercises are not the reader's: the data folder is a new one.
        places = {"IPYTHONDIR": folder, "XDG_DATA_HOME": folder}
        client = NotebookClient(
            notebook,
            timeout=600,
            coalesce_streams=True,  # a bar is one line, not one for each time it was drawn
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(ROOT / "notebooks")}},
        )
        client.execute(env={**os.environ, **places})


def where_and_when() -> dict:
    """The machine, the day, the commit and the versions, as text."""
    from day37 import describe_machine

    card = dict(describe_machine().rows())
    card["commit"] = commit()
    card["day"] = datetime.date.today().isoformat()
    return card


def commit() -> str:
    """The commit of this folder, shortened, with "and changes" if files differ; else "unknown"."""
    said = git("describe", "--always", "--dirty= and changes", "--exclude=*")
    return said.strip() or "unknown"
