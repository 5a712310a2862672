"""`progress`: what is solved, over sessions, where a file can be kept and where not."""

import os
import subprocess
import sys

import pytest

from day37.exercises import solved
from day37.exercises.solved import mark_solved, progress


@pytest.fixture
def file(monkeypatch, tmp_path):
    monkeypatch.setattr(solved, "_file", lambda: tmp_path / "new" / "solved.json")
    monkeypatch.setattr(solved, "KEPT", [])
    return tmp_path / "new" / "solved.json"


def test_what_is_solved_is_shown_lesson_by_lesson(file):
    mark_solved("1.2")
    lines = repr(progress()).splitlines()
    assert lines[0] == "lesson 1: ○ 1.1  ✓ 1.2  ○ 1.3"
    assert lines[-1] == f"1 of {len(progress().every)} solved"


def test_it_lasts_and_can_be_reset(file, monkeypatch):
    for number in ("1.1", "1.2", "1.1"):
        mark_solved(number)
    assert file.read_text() == '["1.1", "1.2"]'
    monkeypatch.setattr(solved, "KEPT", [])  # a kernel that was started anew
    assert progress().solved == ("1.1", "1.2")
    assert progress(reset=True).solved == ()
    assert progress().solved == ()


@pytest.mark.parametrize("text", ["", "{", '{"1.1": 1}', "5", "[1, null]", "\udcff"])
def test_a_broken_file_is_as_none(file, text):
    file.parent.mkdir()
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert progress().solved == ()
    mark_solved("1.3")
    assert progress().solved == ("1.3",)


def test_where_nothing_can_be_written_it_lasts_for_the_session(file, monkeypatch):
    file.parent.write_text("a file where a folder is needed")
    mark_solved("1.1")
    assert progress().solved == ("1.1",)
    monkeypatch.setattr(solved, "_file", lambda: None)  # without platformdirs
    mark_solved("1.2")
    assert progress().solved == ("1.1", "1.2")


KERNEL = """
from day37 import check, progress
{}
print(progress().solved)
"""


def test_another_process_knows_it(tmp_path):
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment |= {"LOCALAPPDATA": str(tmp_path), "USERPROFILE": str(tmp_path)}
    right = "check('1.2', lambda i, hidden, c: (i + 1) * hidden + (hidden + 1) * c)"
    for line in (right, ""):
        command = [sys.executable, "-c", KERNEL.format(line)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout == "('1.2',)\n"
