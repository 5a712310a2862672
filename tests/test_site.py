"""What the site is made of: executed copies, cleaned; pages, slides, launch buttons."""

import base64
import re
import shlex
import struct

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from packaging.requirements import Requirement

from docs.site import execute, launch, pages
from docs.site.clean import WIDGET, clean, is_figure, last_state
from docs.site.slides import slides
from tests.notebooks import LESSONS, ROOT, SOLUTIONS, read

ENGLISH = pages.Language("en")
HERE = launch.Repository("ada/day37", "main")


def figure(words):
    return new_output("display_data", data={"image/png": "AAAA", "text/plain": words})


def notebook_of(*outputs, source="plot()", state=None):
    notebook = new_notebook(cells=[new_code_cell(source, id="cell", outputs=list(outputs))])
    if state:
        key = "application/vnd.jupyter.widget-state+json"
        notebook.metadata.widgets = {key: {"state": state}}
    return notebook


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain\nlines\n", "plain\nlines\n"),
        (" 10%|#   |\r 50%|##  |\r100%|####|\nafter\n", "100%|####|\nafter\n"),
        (" 50%|##  |\r          \r", ""),  # a bar that takes itself away
        ("windows\r\n", "windows\n"),
    ],
)
def test_a_bar_is_shown_as_it_stood_last(text, shown):
    assert last_state(text) == shown


def test_stderr_and_empty_lines_are_left_out():
    streams = [("stderr", "a warning\n"), ("stdout", "   \r"), ("stdout", "kept\n")]
    notebook = notebook_of(*(new_output("stream", name=n, text=t) for n, t in streams))
    clean(notebook)
    assert [output.text for output in notebook.cells[0].outputs] == ["kept\n"]


def control(buffers):
    """A control as ipywidgets keeps it: a box with a status and a picture, one box deeper."""
    return {
        "outer": {
            "model_name": "VBoxModel",
            "state": {"children": ["IPY_MODEL_status", "IPY_MODEL_box"]},
        },
        "status": {"model_name": "HTMLModel", "state": {"value": "<b>3 &lt; 4</b> steps"}},
        "box": {"model_name": "BoxModel", "state": {"children": ["IPY_MODEL_image"]}},
        "image": {"model_name": "ImageModel", "state": {}, "buffers": buffers},
        "other": {"model_name": "ImageModel", "state": {}, "buffers": [{"data": "OTHER"}]},
    }


def test_a_control_becomes_its_last_picture_and_a_sentence():
    view = {WIDGET: {"model_id": "outer"}, "text/plain": "VBox(children=(HBox("}
    shown = new_output("execute_result", data=view)
    notebook = notebook_of(shown, figure("still"), state=control([{"data": "UE5H"}]))
    clean(notebook)
    first, cell, sentence = notebook.cells  # Jupyter shows the figure last
    assert first.metadata.mystnb.image.alt == "still"
    assert dict(cell.outputs[0].data) == {"image/png": "UE5H", "text/plain": "3 < 4 steps"}
    assert cell.metadata.mystnb.image.alt == "3 < 4 steps"
    assert "In the notebook you can." in sentence.source
    assert "widgets" not in notebook.metadata
    with pytest.raises(ValueError, match="the control of the cell 'cell' has no picture"):
        clean(notebook_of(shown, state=control([])))


def test_each_figure_gets_a_cell_and_its_words():
    text = new_output("stream", name="stdout", text="printed\n")
    notebook = notebook_of(text, figure("one"), figure("two"), figure("three"))
    clean(notebook)
    alts = [cell.metadata.mystnb.image.alt for cell in notebook.cells]
    assert alts == ["one", "two", "three"]
    assert [len(cell.outputs) for cell in notebook.cells] == [2, 1, 1]
    hidden = [cell.metadata.get("tags") for cell in notebook.cells]
    assert hidden == [None, ["remove-input"], ["remove-input"]]
    nbformat.validate(notebook)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project of one notebook and one file; `execute` runs nothing, but counts."""
    (tmp_path / "day37").mkdir()
    (tmp_path / "day37" / "library.py").write_text("x = 1\n")
    path = tmp_path / "lesson.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1", id="one")]), path)
    ran = []
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "run", lambda notebook: ran.append(1))
    monkeypatch.setattr(execute, "where_and_when", lambda: {"day": f"run {len(ran)}"})
    return path, ran


def test_what_has_not_changed_is_not_run_again(small, tmp_path, monkeypatch):
    path, ran = small

    def day():
        return execute.execute(path, tmp_path / "kept" / "lesson.ipynb").metadata.measured.day

    assert [day(), day()] == ["run 1", "run 1"]
    (tmp_path / "day37" / "library.py").write_text("x = 2\n")
    assert [day(), day()] == ["run 2", "run 2"]
    nbformat.write(new_notebook(cells=[new_code_cell("2", id="one")]), path)
    assert [day(), day()] == ["run 3", "run 3"]
    monkeypatch.setattr(execute, "version", lambda name: f"another {name}")
    assert [day(), day()] == ["run 4", "run 4"]
    assert len(ran) == 4


@pytest.mark.slow
def test_a_run_gives_sharp_figures_with_their_words_and_one_line_for_a_bar():
    source = """
import sys
import matplotlib.pyplot as plt
from tqdm import tqdm
for i in tqdm(range(3), file=sys.stdout):
    pass
plt.figure(figsize=(4, 3))
plt.title("A title\\nin two lines")
plt.xlabel("steps");"""
    notebook = new_notebook(cells=[new_code_cell(source, id="plot")])
    execute.run(notebook)
    clean(notebook)
    bar, shown = notebook.cells[0].outputs
    assert bar.text.count("\n") == 1 and "3/3" in bar.text
    assert shown.data["text/plain"] == "A title in two lines; steps"
    width = struct.unpack(">I", base64.b64decode(shown.data["image/png"])[16:20])[0]
    assert width == 2 * shown.metadata["image/png"]["width"]


@pytest.mark.parametrize(
    "address, name",
    [
        ("https://github.com/ada/day37.git", "ada/day37"),
        ("https://github.com/ada/day37", "ada/day37"),
        ("git@github.com:ada/day.37.git", "ada/day.37"),
        ("ssh://git@github.com/ada/day37/", "ada/day37"),
        ("https://example.org/ada/day37", ""),
        ("../elsewhere", ""),
        ("", ""),
    ],
)
def test_the_repository_is_known_by_git_s_remote(monkeypatch, address, name):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.delenv("GITHUB_REF_NAME", raising=False)
    said = {"remote": address, "branch": "work"}
    monkeypatch.setattr(launch, "git", lambda *words: said[words[0]])
    assert launch.repository() == (launch.Repository(name, "work") if name else None)


def test_the_publisher_s_environment_comes_first(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/course")
    monkeypatch.setenv("GITHUB_REF_NAME", "release")
    assert launch.repository() == launch.Repository("ada/course", "release")
    assert launch.repository().site == "https://ada.github.io/course/"
    assert launch.Repository("Ada/ada.github.io", "main").site == "https://ada.github.io/"


def test_the_buttons_open_what_is_published():
    buttons = HERE.buttons("en", "01_cpu_baseline.ipynb")
    ready = "ada/day37/blob/gh-pages/en/launch/01_cpu_baseline.ipynb"
    assert buttons["Colab"] == f"https://colab.research.google.com/github/{ready}"
    assert buttons["Kaggle"].endswith(f"?src=https://github.com/{ready}")
    assert buttons["Binder"].startswith("https://mybinder.org/v2/gh/ada/day37/main?urlpath=lab/")
    for language, path in [("en", "notebooks/"), ("zh", "notebooks/zh/")]:
        assert HERE.buttons(language, "x.ipynb")["Binder"].endswith(f"lab/tree/{path}x.ipynb")
    workflow = (ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    assert f"gh-pages\n{' ' * 10}git add" in workflow and launch.PUBLISHED == "gh-pages"


@pytest.mark.parametrize("folder", ["", "zh"])
@pytest.mark.parametrize("path", [*LESSONS, SOLUTIONS], ids=lambda path: path.stem)
def test_a_launched_lesson_has_one_more_first_cell(path, folder):
    path = path.parent / folder / path.name
    launched = launch.ready_to_launch(path, HERE)
    first, *others = launched.cells
    assert others == read(path).cells
    nbformat.validate(launched)
    install = first.source.splitlines()[-1]
    assert install.startswith('%pip install -q "git+https://github.com/ada/day37@main"')
    wanted = [Requirement(word) for word in shlex.split(install)[4:]]
    names = {one.name for one in wanted}
    assert {"msgspec", "numba", "platformdirs", "matplotlib"} <= names
    assert not names & {"jupyterlab", "ipykernel", "ipywidgets", "torch"}
    assert "[lab" not in install
    assert ('environ["DAY37_LANGUAGE"] = "zh"' in first.source) == (folder == "zh")
    assert launch.ready_to_launch(path, None) == read(path)


def test_readme_has_buttons_where_the_repository_is_known():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    bare = launch.with_buttons(readme, None)
    assert "<!-- buttons: begin -->\n<!-- buttons: end -->" in bare
    filled = launch.with_buttons(bare, HERE)
    line = filled.split("<!-- buttons: begin -->\n")[1].split("\n")[0]
    assert line.startswith("[Site](https://ada.github.io/day37/) · [Colab](https://colab.")
    assert launch.with_buttons(filled, HERE) == filled
    assert launch.with_buttons(filled, None) == bare


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_solution_stands_folded_below_its_exercise(path):
    page = pages.lesson_page(read(path), read(SOLUTIONS), ENGLISH, "<p>buttons</p>")
    assert page.cells[1].source == "<p>buttons</p>"
    exercises = [i for i, cell in enumerate(page.cells) if pages.CHECK.search(cell.source)]
    assert len(exercises) >= 3
    for i in exercises:
        number = pages.CHECK.search(page.cells[i].source)[1]
        solution = page.cells[i + 1].source
        assert solution.startswith("<details class='solution'>")
        assert f"<summary>Solution of {number}</summary>" in solution
        assert "check(" not in solution and "#" not in solution.split("```")[0]
        assert re.search("```python\n(def|class|reads) ?", solution)


def test_a_row_of_buttons_names_hosts_only_where_the_repository_is_known():
    path = LESSONS[0]
    known = pages.buttons(path, ENGLISH, HERE)
    unknown = pages.buttons(path, ENGLISH, None)
    assert re.findall(">([A-Z]\\w+)</a>", known) == [
        *("Colab", "Kaggle", "Binder", "Download", "Slides"),
    ]
    assert re.findall(">([A-Z]\\w+)</a>", unknown) == ["Download", "Slides"]
    assert "http" not in unknown
    assert f"href='../launch/{path.name}'" in unknown


def test_each_figure_has_a_slide_and_set_up_and_exercises_none():
    cells = [
        new_markdown_cell("# Title", id="title"),
        new_code_cell("import x", id="imports", metadata={"tags": ["setup"]}),
        new_markdown_cell("## Topic", id="topic"),
        new_code_cell("plot()", id="plot", outputs=[figure("one"), figure("two")]),
        new_markdown_cell("**The rule.**", id="rule"),
        new_markdown_cell("## Exercises\nSee [the solutions](solutions.ipynb).", id="exercises"),
        new_code_cell("def f():\n    pass", id="f"),
        new_markdown_cell("## Learned", id="learned"),
    ]
    notebook = new_notebook(cells=cells)
    clean(notebook)
    deck = slides(notebook)
    ids = [cell.id for cell in deck.cells if "-break" not in cell.id]
    assert ids == [
        *("title", "topic", "plot-code", "plot-figure", "plot-2-figure", "rule"),
        *("exercises", "learned"),
    ]
    sources = {cell.id: cell.source for cell in deck.cells}
    for name in ("plot-break", "plot-figure-break", "plot-2-figure-break", "rule"):
        assert "revealjs-break" in sources[name]
    assert "See the solutions." in sources["exercises"]
    figures = [cell for cell in deck.cells if any(map(is_figure, cell.get("outputs", [])))]
    assert all(len(cell.outputs) == 1 for cell in figures) and len(figures) == 2
    nbformat.validate(deck)


def test_pages_take_the_tables_of_the_readme(tmp_path):
    (tmp_path / "text.md").write_text("Open x.ipynb.\n\n| x.ipynb |\n| --- |\n", encoding="utf-8")
    assert pages.block(tmp_path / "text.md", "x.ipynb") == "| x.ipynb |\n| --- |"
    lessons = pages.block(ENGLISH.readme, "01_cpu_baseline.ipynb")
    assert lessons.count("\n") == 6
    assert pages.section(ENGLISH.readme, "Terms").count("| ") > 100
    names = pages.contents(ENGLISH.words, lessons)
    for path in LESSONS:
        assert f" <notebooks/{path.stem}>" in names
    with pytest.raises(ValueError, match=r"README.md has no heading 'Nowhere', but \['What"):
        pages.section(ENGLISH.readme, "Nowhere")
    with pytest.raises(ValueError, match="README.md has no table with 'nowhere.ipynb'"):
        pages.block(ENGLISH.readme, "nowhere.ipynb")


def test_every_public_recording_is_named_with_its_source():
    rows = pages.published()
    files = list((ROOT / pages.RECORDINGS / "published").glob("*.json"))
    assert len(rows) == len(files) >= 10
    for link, source in rows:
        assert (ROOT / re.search(r"\((.+)\)", link)[1]).exists()
        assert "commit" in source or "comment of" in source
