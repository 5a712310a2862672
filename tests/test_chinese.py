"""The Chinese texts: in step with the English ones, with the same figures and links, and clean."""

import copy
import json
import re

import nbformat
import pytest

from docs.site import launch, pages, translate
from tests.notebooks import LESSONS, ROOT, SOLUTIONS, read, tags

NOTEBOOKS = [*LESSONS, SOLUTIONS]
FOLDER = ROOT / "notebooks" / "zh"
HAN = "[\u3400-\u9fff]"
WIDE = "，。：；？！“”（）、"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def pairs(path):
    """The text cells of a notebook, English and Chinese, by their ids."""
    chinese = {cell.id: cell.source for cell in read(FOLDER / path.name).cells}
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            yield cell.id, cell.source, chinese.get(cell.id, "")


def every_pair():
    """All that is translated: its name, the English and the Chinese."""
    for path in NOTEBOOKS:
        for name, english, chinese in pairs(path):
            yield f"{path.stem}:{name}", english, chinese
    for name, (english, chinese) in translate.PAGES.items():
        yield name, english.read_text("utf-8"), translate.MARK.sub("", chinese.read_text("utf-8"))


PAIRS = list(every_pair())
each_pair = pytest.mark.parametrize(
    "english, chinese", [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS]
)


def test_a_chinese_notebook_for_each():
    assert sorted(path.name for path in FOLDER.glob("*")) == sorted(p.name for p in NOTEBOOKS)


@each_notebook
def test_code_ids_tags_and_order_are_the_same(path):
    english, chinese = read(path), read(FOLDER / path.name)
    assert [cell.id for cell in chinese.cells] == [cell.id for cell in english.cells]
    for one, other in zip(english.cells, chinese.cells, strict=True):
        assert one.cell_type == other.cell_type and tags(one) == tags(other)
        if one.cell_type == "code":
            assert one == other, one.id


@each_notebook
def test_no_text_is_stale_or_missing(path):
    assert translate.behind(read(path), read(FOLDER / path.name)) == {}


@pytest.mark.parametrize("name", translate.PAGES)
def test_no_page_is_stale_or_missing(name):
    assert translate.page_behind(*translate.PAGES[name]) == ""


def test_launch_buttons_make_no_text_stale():
    english = translate.ENGLISH.readme.read_text(encoding="utf-8")
    there = launch.with_buttons(english, launch.Repository("ada/day37", "main"))
    assert there != english and translate.mark(there) == translate.mark(english)
    assert translate.mark(english + "x") != translate.mark(english)


def numbers(text):
    """The numbers of a text, as they are written."""
    return set(
        re.findall(r"\d[\d,.]*\d|\d", re.sub(r"\]\([^)]*\)|^\[\w+\]: .*$", "]", text, flags=re.M))
    )


@each_pair
def test_each_number_is_in_the_chinese(english, chinese):
    assert numbers(english) - numbers(chinese) == set()


@each_notebook
def test_links_are_the_same_and_stay_among_the_chinese(path):
    for name, english, chinese in pairs(path):
        to = re.findall(r"\]\(([^)]+)\)", chinese)
        assert to == re.findall(r"\]\(([^)]+)\)", english), name
        assert all((FOLDER / link).exists() for link in to if "://" not in link), name


# The links of the other two pages hold on the site alone, whose tests follow them.
@pytest.mark.parametrize("name", ["instructor", "README"])
def test_links_of_a_page_lead_to_files(name):
    path = translate.PAGES[name][1]
    for link in re.findall(r"\]\(([^)#]+)\)|^\[\w+\]: (\S+)", path.read_text("utf-8"), re.M):
        there = "".join(link)
        if "://" not in there:
            assert (path.parent / there).exists(), there
            assert not there.startswith("notebooks/0") and "/notebooks/0" not in there


@each_pair
def test_it_is_chinese_and_well_set(english, chinese):
    text = re.sub(
        r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->|\{\{\w+\}\}|^\[\w+\]: .*$",
        "",
        chinese,
        flags=re.M | re.S,
    )
    text = re.sub(r"^(#+ )?[\d.]+ |^#+ |^- ", "", text, flags=re.M)  # a heading's number
    assert re.search(HAN, text)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    for wrong in (
        rf"{HAN} +[A-Za-z0-9]",
        rf"[A-Za-z0-9] +{HAN}",
        rf"{HAN}[,;:?!]",
        rf"{HAN} +{HAN}",
    ):
        assert re.search(wrong, prose) is None, re.search(wrong, prose)


@each_pair
def test_bold_is_shown_as_bold(english, chinese):
    """Markdown takes no `**` for bold that has punctuation on one side and a letter beyond it."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "x", chinese, flags=re.S)
    marks = [match.start() for match in re.finditer(r"\*\*", text)]
    assert len(marks) % 2 == 0
    for opens, closes in zip(marks[::2], marks[1::2], strict=True):
        before, after = text[opens - 1 : opens], text[closes + 2 : closes + 3]
        assert not (text[opens + 2] in WIDE and before and before not in f"{WIDE} \n")
        assert not (text[closes - 1] in WIDE and after and after not in f"{WIDE} \n")
    assert len(marks) == 2 * len(re.findall(r"\*\*.+?\*\*", re.sub(r"`[^`\n]*`", "x", english)))


def headings(text):
    return [
        len(level)
        for level in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    ]


@each_pair
def test_headings_lists_and_tables_are_the_same(english, chinese):
    assert headings(chinese) == headings(english)
    for start in (r"^[-*] ", r"^\d\. ", r"^\|"):
        assert len(re.findall(start, chinese, re.M)) == len(re.findall(start, english, re.M))


def test_both_readmes_have_one_list_of_terms():
    def terms(language):
        table = pages.section(language.readme, language.words["terms"])
        rows = [
            line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")
        ]
        return [row[:3] for row in rows[2:]]

    assert terms(translate.CHINESE) == terms(translate.ENGLISH)
    assert len(terms(translate.ENGLISH)) == 35


def test_outputs_are_said_to_be_english():
    for path in NOTEBOOKS:
        title = read(FOLDER / path.name).cells[0].source
        assert re.search("输出[^。；]*英文", title)


def test_what_changed_in_the_english_is_named_and_nothing_else():
    path = NOTEBOOKS[0]
    english = read(path)
    chinese = read(FOLDER / path.name)
    changed = copy.deepcopy(english)
    cell = next(cell for cell in changed.cells if cell.id == "loop-rule")
    before = translate.mark(cell.source)
    cell.source += " One more sentence."
    assert translate.behind(changed, chinese) == {"loop-rule": before}
    new = nbformat.v4.new_markdown_cell("New.", id="new")
    changed.cells.insert(3, new)
    assert translate.behind(changed, chinese) == {"new": "missing", "loop-rule": before}
    code = next(cell for cell in changed.cells if cell.id == "shapes")
    code.source += "\nprint(1)"
    both = translate.bring_over(changed, chinese)
    assert next(c for c in both.cells if c.id == "shapes").source == code.source
    assert [c.id for c in both.cells] == [c.id for c in changed.cells]
    kept = next(c for c in both.cells if c.id == "loop-rule").source
    assert kept == next(c for c in chinese.cells if c.id == "loop-rule").source
    assert translate.behind(changed, both) == {"new": "missing", "loop-rule": before}
    assert json.loads(nbformat.writes(translate.bring_over(english, chinese))) == json.loads(
        nbformat.writes(chinese)
    )
