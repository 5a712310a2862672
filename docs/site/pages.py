"""Writes the sources of the site's pages, in one language, for Sphinx.

They lie as they do in the repository, so the links between them hold. A file that would not change
is not written, so that Sphinx builds its page once.
"""

import io
import json
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from docs.site.launch import ROOT, Repository
from docs.site.words import WORDS

RECORDINGS = "day37/machines/recordings"
MEASURED = ("cpu", "memory", "day", "commit", "python", "torch")
LINK = "<a href='{}'>{}</a>"
CHECK = re.compile(r'^check\("(\d\.\d)"', re.MULTILINE)


@dataclass(frozen=True)
class Language:
    """One of the site's languages, and where its texts lie in the repository."""

    code: str

    @property
    def words(self) -> dict:
        """What the build itself writes."""
        return WORDS[self.code]

    def folder(self, name: str) -> Path:
        """Its folder of notebooks or docs."""
        return ROOT / name if self.code == "en" else ROOT / name / self.code

    @property
    def readme(self) -> Path:
        """Its README."""
        return ROOT / ("README.md" if self.code == "en" else f"README.{self.code}.md")

    @property
    def notebooks(self) -> list[Path]:
        """The lessons in their order, then the solutions; none if there is no such translation."""
        return sorted(self.folder("notebooks").glob("*.ipynb"))

    @property
    def lessons(self) -> list[Path]:
        """Its notebooks but the solutions."""
        return [path for path in self.notebooks if path.stem != "solutions"]


def languages() -> list[Language]:
    """Those that have lessons."""
    return [one for one in map(Language, WORDS) if one.notebooks]


def write(path: Path, content: str | bytes) -> None:
    """Write the file, unless it holds this already."""
    data = content.encode() if isinstance(content, str) else content
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def section(path: Path, heading: str) -> str:
    """What stands below a `##` heading of a text. ValueError if there is no such heading."""
    parts = re.split(r"^## (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if heading not in parts[1::2]:
        raise ValueError(f"{path.name} has no heading {heading!r}, but {parts[1::2]}")
    return parts[parts.index(heading) + 1].strip() + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def lesson_page(
    notebook: NotebookNode, solutions: NotebookNode, language: Language, buttons: str
) -> NotebookNode:
    """The cleaned lesson with its buttons below the title, and each solution below its exercise."""
    page = new_notebook(metadata=notebook.metadata)
    for cell in notebook.cells:
        page.cells.append(cell)
        number = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if number:
            page.cells.append(folded(number[1], solutions, language))
    page.cells.insert(1, new_markdown_cell(buttons, id="buttons"))
    return page


def folded(number: str, solutions: NotebookNode, language: Language) -> NotebookNode:
    """A cell that shows an exercise's solution, and why, when it is opened."""
    cells = {cell.id: cell.source for cell in solutions.cells}
    name = number.replace(".", "-")
    why = cells[f"why-{name}"].split("\n", 1)[1].strip()  # without its heading
    code = CHECK.split(cells[f"solution-{name}"])[0].strip()
    summary = language.words["solution"].format(number=number)
    text = f"<details class='solution'>\n<summary>{summary}</summary>\n\n{why}\n\n"
    text += f"```python\n{code}\n```\n\n</details>"
    return new_markdown_cell(text, id=f"folded-{name}")


def buttons(path: Path, language: Language, where: Repository | None) -> str:
    """The row below a lesson's title, as HTML: where to open it, its file, its slides."""
    words = language.words
    parts = [opened(path.name, language, where)]
    parts.append(LINK.format(f"../launch/{path.name}' download='{path.name}", words["download"]))
    if path in language.lessons:
        parts.append(LINK.format(f"../slides/{path.stem}.html", words["slides"]))
    return row(parts)


def opened(name: str, language: Language, where: Repository | None) -> str:
    """The links that open the notebook of this name elsewhere; "" without a repository."""
    if not where:
        return ""
    there = where.buttons(language.code, name).items()
    links = [LINK.format(address, text) for text, address in there]
    return f"{language.words['open']} {' '.join(links)}"


def row(parts: list[str]) -> str:
    """A row of links, as HTML; "" if there is none."""
    there = " ".join(filter(None, parts))
    return f"<p class='launch'>{there}</p>" if there else ""


@cache
def answer() -> tuple[bytes, str]:
    """The front page's figure, a real GPU eager and as a graph: a PNG, and its words."""
    import matplotlib

    matplotlib.use("Agg")
    from day37 import plot, recorded

    pair = recorded("timelines", "rtx5080")
    titles = ["RTX 5080, launch by launch", "RTX 5080, one CUDA graph"]
    figure = plot(pair["eager"], pair["graph"], title=titles).figure
    figure.axes[1].set_xlim(figure.axes[0].get_xlim())  # the same scale for both
    picture = io.BytesIO()
    figure.savefig(picture, dpi=2 * figure.dpi, bbox_inches="tight")
    return picture.getvalue(), "; ".join(" ".join(axes.get_title().split()) for axes in figure.axes)


def published() -> list[list[str]]:
    """Rows of the public recordings: the machine, and the source as its file names it."""
    rows = []
    for path in sorted((ROOT / RECORDINGS / "published").glob("*.json")):
        recording = json.loads(path.read_text(encoding="utf-8"))
        link = f"[{recording['machine']['gpu']}]({RECORDINGS}/published/{path.name})"
        rows.append([link, f"{recording['source']}; {recording['when']}"])
    return rows


def measured(notebooks: dict[str, NotebookNode]) -> list[list[str]]:
    """Rows that say where and when the notebooks ran; one for all that ran alike."""
    alike = {}
    for name, one in notebooks.items():
        values = tuple(one.metadata.measured[n] for n in MEASURED)
        alike.setdefault(values, []).append(name.split("_")[0])
    return [[", ".join(names), *values] for values, names in alike.items()]


def write_texts(
    language: Language, notebooks: dict[str, NotebookNode], to: Path, where: Repository | None
) -> None:
    """Write the pages that are no lessons, and the recordings that they link to."""
    words = language.words
    docs = language.folder("docs")
    lessons = block(language.readme, "01_cpu_baseline.ipynb").replace(f"/{language.code}/", "/")
    shutil.copytree(ROOT / RECORDINGS, to / RECORDINGS, dirs_exist_ok=True)
    picture, alt = answer()
    write(to / "answer.png", picture)
    fill = {
        "lessons": lessons,
        "figure": f"```{{image}} answer.png\n:alt: {alt}\n:width: 900px\n```",
        "buttons": row([opened("01_cpu_baseline.ipynb", language, where)]),
        "clone": f"git clone {where.address}\ncd {where.name.split('/')[1]}\n" if where else "",
        "measured": table(words["machine"], measured(notebooks)),
        "published": table(words["published"], published()),
        "contents": contents(words, lessons),
    }
    for name in ("index", "measured"):
        text = (docs / f"{name}.md").read_text(encoding="utf-8")
        for mark, value in fill.items():
            text = text.replace(f"{{{{{mark}}}}}", value)
        write(to / f"{name}.md", text)
    write(to / "terms.md", f"# {words['terms']}\n\n{section(language.readme, words['terms'])}")
    instructor = (docs / "instructor.md").read_text(encoding="utf-8")
    instructor = re.sub(r"\((\.\./)+README[.a-z]*\.md\)", "(../index.md)", instructor)
    instructor = re.sub(r"(\.\./)+day37/", "../day37/", instructor)
    write(to / "docs" / "instructor.md", instructor)


def block(path: Path, words: str) -> str:
    """The first table of a text that holds these words. ValueError if none does."""
    for lines in path.read_text(encoding="utf-8").split("\n\n"):
        if lines.startswith("|") and words in lines:
            return lines.strip()
    raise ValueError(f"{path.name} has no table with {words!r}")


def contents(words: dict, lessons: str) -> str:
    """Sphinx's lists of pages: the lessons by their short names, then the rest."""
    links = re.findall(r"^\| \[(.+?)\]\((.+?)\.ipynb\)", lessons, re.MULTILINE)
    more = ["solutions", "terms", "instructor", "measured"]
    pages = ["notebooks/solutions", "terms", "docs/instructor", "measured"]
    rest = [(words[name], page) for name, page in zip(more, pages, strict=True)]
    return contents_part(words["lessons"], links) + contents_part(words["more"], rest)


def contents_part(caption: str, links: list[tuple[str, str]]) -> str:
    """One list of pages."""
    lines = "\n".join(f"{name} <{page}>" for name, page in links)
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n\n"
