"""Keeps the Chinese notebooks and pages in step with the English ones: make zh.

A Chinese notebook has the English one's code, cell for cell, and texts of its own. For each text it
keeps a mark of the English that was translated (in its metadata, "translated"), a Chinese page one
in its last line. Where the English has another mark now, the text is stale.
"""

import difflib
import hashlib
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from docs.site.launch import ROOT, git, with_buttons
from docs.site.pages import Language

CHINESE = Language("zh")
ENGLISH = Language("en")
PAGES = {
    "README": (ENGLISH.readme, CHINESE.readme),
    **{
        name: (ENGLISH.folder("docs") / f"{name}.md", CHINESE.folder("docs") / f"{name}.md")
        for name in ("index", "measured", "instructor")
    },
}
MARK = re.compile(r"\n<!-- translated from: ([0-9a-f]{12}) -->\n$")


def mark(text: str) -> str:
    """Twelve hex digits that stand for the text, without the launch buttons of `make buttons`."""
    return hashlib.sha256(with_buttons(text, None).encode()).hexdigest()[:12]


def bring_over(english: NotebookNode, chinese: NotebookNode) -> NotebookNode:
    """The English notebook with the Chinese texts, by their cells' ids, as far as there are any."""
    texts = {cell.id: cell.source for cell in chinese.cells if cell.cell_type == "markdown"}
    both = nbformat.from_dict(english)
    for cell in both.cells:
        if cell.cell_type == "markdown":
            cell.source = texts.get(cell.id, cell.source)
    marks = chinese.metadata.get("translated", {})
    known = {cell.id for cell in both.cells}
    both.metadata["translated"] = {name: marks[name] for name in marks if name in known}
    return both


def behind(english: NotebookNode, chinese: NotebookNode) -> dict[str, str]:
    """What is to be done, by a text cell's id: "missing", or the mark of a stale one."""
    marks = chinese.metadata.get("translated", {})
    there = {cell.id for cell in chinese.cells}
    found = {}
    for cell in english.cells:
        kept = marks.get(cell.id) if cell.id in there else None
        if cell.cell_type == "markdown" and kept != mark(cell.source):
            found[cell.id] = kept or "missing"
    return found


def page_behind(english: Path, chinese: Path) -> str:
    """Of a page: "missing", the mark of a stale one, or "" if it is in step."""
    kept = MARK.search(chinese.read_text(encoding="utf-8")) if chinese.exists() else None
    if not kept:
        return "missing"
    return "" if kept[1] == mark(english.read_text(encoding="utf-8")) else kept[1]


def change(path: Path, kept: str, now: str, cell: str = "") -> str:
    """How the English has changed since its mark was `kept`, from git's history."""
    for commit in git("log", "--format=%H", "--", str(path)).split():
        text = git("show", f"{commit}:{path.relative_to(ROOT).as_posix()}")
        if cell and text:
            cells = nbformat.reads(text, as_version=4).cells
            text = next((each.source for each in cells if each.get("id") == cell), "")
        if mark(text) == kept:
            lines = difflib.unified_diff(text.splitlines(), now.splitlines(), lineterm="", n=1)
            return "\n".join(list(lines)[2:])
    return now


def main(done: list[str]) -> int:
    """Bring the code over and say what is behind; those in `done` are translated now."""
    left = 0
    for path in ENGLISH.notebooks:
        there = CHINESE.folder("notebooks") / path.name
        english = nbformat.read(path, as_version=4)
        chinese = (
            nbformat.read(there, as_version=4) if there.exists() else nbformat.v4.new_notebook()
        )
        both = bring_over(english, chinese)
        for cell in english.cells:
            named = path.stem in done or f"{path.stem}:{cell.id}" in done
            if named and cell.cell_type == "markdown":
                both.metadata.translated[cell.id] = mark(cell.source)
        there.parent.mkdir(exist_ok=True)
        nbformat.write(both, there)
        sources = {cell.id: cell.source for cell in english.cells}
        for cell, kept in behind(english, both).items():
            left += 1
            print(f"\n{path.stem}:{cell}\n{change(path, kept, sources[cell], cell)}")
    for name, (english, chinese) in PAGES.items():
        now = english.read_text(encoding="utf-8")
        if name in done:
            text = MARK.sub("", chinese.read_text(encoding="utf-8"))
            chinese.write_text(f"{text}\n<!-- translated from: {mark(now)} -->\n", encoding="utf-8")
        kept = page_behind(english, chinese)
        if kept:
            left += 1
            print(f"\n{name}\n{change(english, kept, now)}")
    print(f"\n{left} texts to translate" if left else "all texts are in step")
    if left:
        print("when they are: make zh DONE='...', with the names above")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
