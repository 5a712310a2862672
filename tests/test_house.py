"""The house: what may import what, how long a file may be, and the names that the lessons use."""

import ast
import re
from pathlib import Path

import pytest

import day37
from tests.notebooks import LESSONS, code, read, without_exercises

HOUSE = Path(day37.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
ROOMS = ["device", "data", "model", "results", "timing", "training", "callables"]  # in this order
FOUND = ["checks", *ROOMS]  # a room may use those before it
# Imports go one way: what stands in a folder may use itself and these.
FOLDERS = {"experiments": set(), "faster": set(), "machines": {"experiments", "faster"}}
FOLDERS["show"] = {*FOLDERS, "machines"}
FOLDERS["exercises"] = {"experiments"}  # one counts reads as the lessons do
LONGEST = {"plots.py": 400}
each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))


def imported(path):
    """The modules of day37 that a file imports, as paths: ("checks",), ("show", "plots")."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {tuple(n.split(".")[1:]) for n in names if n.split(".")[0] == "day37"}


@each_file
def test_imports_go_one_way(path):
    folder, *_ = path.relative_to(HOUSE).parts
    if folder in FOLDERS:
        for module in imported(path):
            inside = module[0] in (folder, *FOLDERS[folder])
            assert inside or module[0] in FOUND, module
    elif path.stem in FOUND:
        before = FOUND[: FOUND.index(path.stem)]
        assert {module[0] for module in imported(path)} <= set(before)
    elif path.stem == "__init__":
        assert {module[0] for module in imported(path)} <= set(ROOMS)
    else:
        assert path.stem == "__main__"


def test_only_the_commands_import_what_shows():
    outside = [path for path in FILES if path.parent.name != "show" and path.stem != "__main__"]
    assert [p.name for p in outside if any("show" in module for module in imported(p))] == []


def test_the_rooms_can_be_read_in_one_sitting():
    lengths = [len((HOUSE / f"{room}.py").read_text("utf-8").splitlines()) for room in ROOMS]
    assert sum(lengths) <= 750


@each_file
def test_no_file_is_too_long_or_too_wide(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST.get(path.name, 250)
    assert max(map(len, lines), default=0) <= 100


@each_file
def test_one_assignment_a_line(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign):
            several = isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
            assert len(node.targets) == 1 and not several, node.lineno
        assert not isinstance(node, ast.NamedExpr), node.lineno


@each_file
def test_a_file_says_first_which_lesson_it_is_for(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if path.stem in ROOMS:
        assert re.match(r"Lessons? [1-5]", text)
    assert text


def test_a_clock_is_read_in_one_file_only():
    reading = re.compile(r"perf_counter|time\.time\(|monotonic\(|process_time|\bclock\(")
    assert [p.stem for p in FILES if reading.search(p.read_text("utf-8"))] == ["timing"]


def test_each_synchronisation_point_is_marked():
    waits = re.compile(r"\.item\(\)|\.tolist\(\)|\bsynchronize\((?!device: )|losses.*\.cpu\(\)")
    for name in ("timing", "training", "faster/ways", "faster/cuda_graph", "faster/one_kernel"):
        for line in (HOUSE / f"{name}.py").read_text(encoding="utf-8").splitlines():
            if waits.search(line):
                assert "# synchronisation point" in line, (name, line)


def names_taken(cells, path):
    """The names that a lesson takes from day37, in the only way in which it may."""
    for cell in cells:
        for node in ast.walk(ast.parse(code(cell) if cell.cell_type == "code" else "")):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "day37":
                assert node.module == "day37", (path.stem, node.module)
                yield from (alias.name for alias in node.names)
            if isinstance(node, ast.Import):
                assert not any(a.name.startswith("day37") for a in node.names), path.stem


def test_the_lessons_use_few_names_each_spelt_one_way():
    taught = {path.stem: set(names_taken(without_exercises(read(path)), path)) for path in LESSONS}
    assert {lesson: len(names) for lesson, names in taught.items() if len(names) > 12} == {}
    for path in LESSONS:
        every = set(names_taken(read(path).cells, path))
        assert every - taught[path.stem] == {"check", "progress"}
    names = set().union({"check", "progress"}, *taught.values())
    assert len(names) <= 40
    assert names == set(day37.__all__)
    assert all(getattr(day37, name) is not None for name in names)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'plots_everything'"):
        getattr(day37, "plots_everything")  # noqa: B009
    assert dir(day37) == sorted(day37.__all__)
