"""Makes of a lesson's cleaned copy the sources of its slides.

A `##` heading begins a slide; so does a cell of code, and each figure has one for itself.
"""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from docs.site.clean import ALONE, HIDDEN, is_figure

BREAK = "```{{revealjs-break}}\n:notitle:\n```\n\n{}"
SOLUTIONS = re.compile(r"\[([^\]]+)\]\(solutions\.ipynb\)")


def slides(notebook: NotebookNode) -> NotebookNode:
    """The slides of a cleaned lesson: no set-up cells, no code of the exercises."""
    deck = new_notebook(metadata=notebook.metadata)
    exercises = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            exercises = exercises or cell.id == "exercises"
            source = SOLUTIONS.sub(r"\1", cell.source)  # they have no slides
            text = new_markdown_cell(source, id=cell.id)
            # A text that belongs to the figure before it, or opens a slide of its own.
            opens = source.startswith("#") or cell.id.endswith("-still")
            text.source = source if opens else BREAK.format(source)
            deck.cells.append(text)
        elif not exercises:
            deck.cells.extend(of_code(cell))
    return deck


def of_code(cell: NotebookNode) -> list[NotebookNode]:
    """A slide with the cell's lines and what it printed, and one with its figure.

    Of a set-up cell, the figure only.
    """
    set_up = "setup" in cell.metadata.get("tags", [])
    figures = [output for output in cell.outputs if is_figure(output)]
    printed = [output for output in cell.outputs if not is_figure(output)]
    found = []
    if not set_up and (cell.source != HIDDEN or printed):
        first = new_code_cell(cell.source, id=f"{cell.id}-code", outputs=printed)
        found += [new_markdown_cell(BREAK.format(""), id=f"{cell.id}-break"), first]
    if figures:
        metadata = {**cell.metadata, **ALONE}
        shown = new_code_cell(HIDDEN, id=f"{cell.id}-figure", outputs=figures, metadata=metadata)
        found += [new_markdown_cell(BREAK.format(""), id=f"{cell.id}-figure-break"), shown]
    return found
