"""What `check` and `progress` say in Chinese: every text has its translation, and is found."""

import ast
import json
import re
import sys

import pytest

from day37 import check, progress
from day37.exercises import language
from day37.exercises.checking import HINTED, TRIED, Mistake, exercises
from day37.exercises.language import CHINESE, told
from tests.notebooks import ROOT

HAN = re.compile("[\u3400-\u9fff]")
TABLE = json.loads(CHINESE.read_text(encoding="utf-8"))
FILES = sorted((ROOT / "day37" / "exercises").glob("*.py"))


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setenv("DAY37_LANGUAGE", "zh")


def template(node):
    """A literal's text, with {} for each value; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
    return None


def words(text):
    return re.search("[a-z]{2}", text.replace("{}", ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_sentence_that_may_be_shown_is_in_the_table(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told_apart = [n.value for n in ast.walk(tree) if isinstance(n, ast.Expr)]  # docstrings
    told_apart += [
        part for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Wrong":
            for text in filter(None, map(template, node.args)):
                assert text in TABLE or not words(text), text
        text = None if node in told_apart else template(node)
        if text and re.fullmatch("[A-Z`].* .*[.?]", text):
            assert text in TABLE, text


def test_each_hint_is_told_in_chinese(chinese):
    hints = {hint for each in exercises().values() for hint in each.hints}
    modules = [module for name, module in sys.modules.items() if "day37.exercises.lesson" in name]
    lists = [value for m in modules for value in vars(m).values() if isinstance(value, tuple)]
    hints |= {each.hint for one in lists for each in one if isinstance(each, Mistake)}
    assert len(hints) > 120
    for hint in hints:
        assert HAN.search(told(hint)), hint


def test_a_translation_has_the_values_and_the_code_of_the_english():
    for english, translated in TABLE.items():
        count = re.sub("`[^`]*`", "", english).count("{}")
        assert set(re.findall(r"\{(\d)\}", translated)) == {str(i) for i in range(count)}, english
        if count:
            translated.format(*range(count))
        code = set(re.findall("`[^`]+`", english))
        assert code == set(re.findall("`[^`]+`", translated)), english
        assert HAN.search(translated)
        prose = re.sub("`[^`]*`", "", translated)
        assert re.search(r"[\u3400-\u9fff] +[A-Za-z]|[A-Za-z] +[\u3400-\u9fff]", prose) is None


@pytest.mark.parametrize(
    "english, translated",
    [
        ("spread([1, 2]) gave None", "spread([1, 2])返回了None"),
        (
            "Hint: ReLU has nothing to learn: it has no parameters.",
            "提示：ReLU没有什么要学的，所以没有参数。",
        ),
        (
            "forward_counts of a model that runs fc1, relu gave {}",
            "forward_counts对模型中依次运行的fc1, relu返回了{}",
        ),
        (
            "accuracy_of(scores of shape (5, 3), labels [1]): your code raised KeyError: 1, in your"
            " line 2: a[1]",
            "accuracy_of(scores形状为(5, 3), labels为[1])："
            "你的代码抛出了KeyError: 1，出自你的第2行：a[1]",
        ),
        ("nothing that is known", "nothing that is known"),
    ],
)
def test_values_are_put_where_the_chinese_has_them(chinese, english, translated):
    assert told(english) == translated


def test_the_folder_of_the_notebook_or_the_reader_decides(monkeypatch, tmp_path):
    monkeypatch.delenv("DAY37_LANGUAGE", raising=False)
    assert language.language() == "en"
    (tmp_path / "zh").mkdir()
    monkeypatch.chdir(tmp_path / "zh")
    assert language.language() == "zh"
    monkeypatch.setenv("DAY37_LANGUAGE", "en")
    assert language.language() == "en"
    monkeypatch.setenv("DAY37_LANGUAGE", "fr")
    assert language.language() == "zh"


def raises(*_):
    raise ValueError("a word")


def gives_nothing(*_):
    print("printed")


@pytest.mark.parametrize("number", exercises())
def test_an_answer_is_judged_in_chinese(chinese, number):
    TRIED.clear()
    HINTED.clear()
    wrong = [None, 7, gives_nothing, raises, lambda: 1, len]
    for answer in wrong:
        said = repr(check(number, answer, save=False)).splitlines()
        assert re.match(f"{number} (✗ 还不对|○ 还没有做)：", said[0])
        assert all(HAN.search(line) for line in said), said
        english = [line for line in said if "Hint" in line or "your " in line]
        assert english == []


class RunningMean:
    def __init__(self):
        self.total = self.count = 0

    def __call__(self, x):
        self.total += x
        self.count += 1
        return self.total / self.count


def test_a_right_answer_is_told_in_chinese_too(chinese):
    assert repr(check("5.1", RunningMean, save=False)) == "5.1 ✓ 正确：RunningMean类"


def test_progress_and_a_wrong_number_are_told_in_chinese(chinese):
    lines = repr(progress()).splitlines()
    assert all(HAN.search(line) for line in lines)
    assert "没有练习" in repr(check("9.9"))
