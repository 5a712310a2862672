"""Makes of an executed notebook one that a page without a kernel can show.

A bar is shown as it stood last, stderr is left out, a control becomes its last picture, and each
figure gets a cell and an alternative text of its own.
"""

import html
import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from docs.site.words import WORDS

# A cell that shows its output alone. (Without any source it would not be shown at all.)
HIDDEN = "# see the cell above"
ALONE = {"tags": ["remove-input"]}
WIDGET = "application/vnd.jupyter.widget-view+json"


def clean(notebook: NotebookNode, language: str = "en") -> None:
    """Do all of this to an executed notebook, in place.

    ValueError, with the cell's id, for a control without a picture.
    """
    states = notebook.metadata.get("widgets", {})
    states = states.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        cell.outputs.sort(key=is_control)  # the control comes last, and the sentence below it
        moved = any(map(is_control, cell.outputs))
        cell.outputs = [kept for output in cell.outputs for kept in still(output, states, cell.id)]
        cells.extend(part_by_figures(cell))
        if moved:
            cells.append(new_markdown_cell(WORDS[language]["still"], id=f"{cell.id}-still"))
    notebook.cells = cells
    for name in ("widgets", "measured"):  # the page's foot says where it was measured
        notebook.metadata.pop(name, None)


def still(output: NotebookNode, states: dict, where: str) -> list[NotebookNode]:
    """The output as a page can show it: one, or none."""
    if output.output_type == "stream":
        text = last_state(output.text)
        kept = output.name == "stdout" and text.strip()
        return [new_output("stream", name="stdout", text=text)] if kept else []
    if is_control(output):
        return [picture(output.data[WIDGET]["model_id"], states, where)]
    return [output]


def last_state(text: str) -> str:
    """What a terminal shows of the text: a line goes back to its start at each `\\r`."""
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(line.rstrip() for line in lines)


def picture(model: str, states: dict, where: str) -> NotebookNode:
    """The last picture of the control whose box is `model`, with its status as its text."""
    found = {state["model_name"]: state for state in within(model, states)}
    buffers = found.get("ImageModel", {}).get("buffers") or []
    if not buffers:
        raise ValueError(f"the control of the cell {where!r} has no picture")
    status = re.sub("<[^>]+>", " ", found["HTMLModel"]["state"]["value"])
    words = " ".join(html.unescape(status).split())
    data = {"image/png": buffers[0]["data"], "text/plain": words or "a control"}
    return new_output("display_data", data=data)


def within(model: str, states: dict):
    """The state of the widget `model` and of all that stand in it."""
    state = states[model]
    yield state
    for child in state["state"].get("children", []):
        yield from within(child.removeprefix("IPY_MODEL_"), states)


def part_by_figures(cell: NotebookNode) -> list[NotebookNode]:
    """Leave the outputs up to the first figure; cells for the others, a figure in each."""
    parts = [[]]
    for output in cell.outputs:
        if is_figure(output) and any(map(is_figure, parts[-1])):
            parts.append([])
        parts[-1].append(output)
    cell.outputs = parts[0]
    more = [
        new_code_cell(HIDDEN, id=f"{cell.id}-{i}", outputs=outputs, metadata=dict(ALONE))
        for i, outputs in enumerate(parts[1:], 2)
    ]
    for one in [cell, *more]:
        for output in filter(is_figure, one.outputs):
            words = output.data.get("text/plain", "")
            one.metadata["mystnb"] = {"image": {"alt": words}}
    return more


def is_control(output: NotebookNode) -> bool:
    """Is it a control?"""
    return WIDGET in output.get("data", {})


def is_figure(output: NotebookNode) -> bool:
    """Is it a picture?"""
    return "image/png" in output.get("data", {})
