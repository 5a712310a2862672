"""`check`: the three states, one hint at a time, and what it refuses."""

import functools
import random
import statistics

import numpy as np
import pytest
import torch

import day37
from day37.exercises import checking, lesson_1, solved
from day37.exercises.checking import Exercise, Mistake, Trial, check, gives, judge, like, was_tried
from day37.exercises.running import Wrong
from day37.exercises.showing import same, shown
from tests.exercises.marking import fresh

EVERY = checking.exercises
HINTS = ("first direction", "then a tool", "all but the line")


def numbers(dice):
    for _ in range(3):
        yield (dice.randint(3, 99),)


DOUBLE = Exercise(
    "double(n)",
    gives("double(n)", lambda n: 2 * n, numbers, [like(lambda n: n * n, "That is the square.")]),
    HINTS,
    handed_over=("doubled",),
)


@pytest.fixture(autouse=True)
def one_exercise(monkeypatch, tmp_path):
    fresh("9.1")
    monkeypatch.setattr(checking, "exercises", lambda: {"9.1": DOUBLE})
    monkeypatch.setattr(solved, "_file", lambda: tmp_path / "day37" / "solved.json")
    monkeypatch.setattr(solved, "KEPT", [])


def stub(n):
    pass


def stub_with_dots(n): ...


def told(n):
    """Twice the number."""


class Nothing: ...


class Frame:
    def __init__(self):
        pass

    def __call__(self, n):
        """Say the mean."""


@pytest.mark.parametrize(
    "answer",
    [None, ..., stub, stub_with_dots, told, Nothing, Frame, {"a": None, "b": None}, lambda n: None],
)
def test_an_empty_frame_was_not_tried(answer):
    assert check("9.1", answer).solved is None
    assert repr(check("9.1", answer)) == (
        "9.1 ○ not tried yet: write double(n), and run this cell again"
    )


def test_the_stub_alone_is_not_tried_without_an_answer():
    assert check("9.1").solved is None


class Filled(Frame):
    def __call__(self, n):
        return n


def prints(n):
    print(n)


@pytest.mark.parametrize("answer", [5, "text", Filled, prints, {"a": "one"}, len, [None]])
def test_anything_more_was_tried(answer):
    assert was_tried(answer)


def test_a_right_answer_says_so_and_is_kept():
    assert repr(check("9.1", lambda n: n + n)) == "9.1 ✓ right: double(n)"
    assert solved.progress().solved == ("9.1",)


def test_it_is_not_kept_unless_it_is_to_be():
    assert check("9.1", lambda n: n + n, save=False).solved is True
    assert solved.progress().solved == ()


def test_a_known_mistake_has_its_hint_alone_once_and_then_three_hints_rise():
    texts = [check("9.1", lambda n: n * n).text for _ in range(5)]
    assert texts[0].startswith("double(") and texts[0].endswith("Hint: That is the square.")
    assert all("Hint: That is the square." in text for text in texts)
    ends = [text.splitlines()[-1].strip() for text in texts[1:]]
    assert ends == [f"Hint {i} of 3: {HINTS[i - 1]}" for i in (1, 2, 3, 3)]
    assert solved.progress().solved == ()


@pytest.mark.parametrize("came", [[4, 4, 4.0], [4, 4], [4, 4, 5], [True] * 3, ["4"] * 3])
def test_a_number_that_is_always_the_same_has_its_hint(came):
    with pytest.raises(Wrong) as wrong:
        judge([Trial(f"double({each})", each, (i,)) for i, each in enumerate(came)])
    assert wrong.value.hint == (checking.ALIKE if came == [4, 4, 4.0] else "")


def test_after_a_right_answer_the_hints_begin_anew():
    for answer in (lambda n: n + 71, lambda n: n + 72, lambda n: 2 * n):
        check("9.1", answer, save=False)
    assert "Hint 1 of 3" in check("9.1", lambda n: n + 73).text


def test_after_a_right_answer_a_known_mistake_has_its_hint_alone_again():
    for answer in (lambda n: n * n, lambda n: 2 * n):
        check("9.1", answer, save=False)
    assert "of 3" not in check("9.1", lambda n: n * n).text


def test_an_answer_may_change_what_it_was_given():
    def first(values):
        found = values[0]
        values.clear()
        return found

    examine = gives("first(values)", lambda values: values[0], lambda dice: [([3, 4],)])
    examine(first, random.Random())
    with pytest.raises(checking.Wrong, match=r"first\(\[3, 4\]\) gave 4"):
        examine(lambda values: first(values) + 1, random.Random())


def test_what_was_given_and_what_came_is_named_and_not_what_is_right(monkeypatch):
    n = next(iter(numbers(random.Random(1))))[0]
    seeded = random.Random(1)
    monkeypatch.setattr(checking.random, "Random", lambda: seeded)
    text = check("9.1", lambda n: n + 0.5).text
    assert text.startswith(f"double({n}) gave {n + 0.5:.4g}\n")
    assert str(2 * n) not in text


def test_inputs_are_drawn_anew():
    seen = set()
    for _ in range(30):
        check("9.1", lambda n: seen.add(n) or 2 * n, save=False)
    assert len(seen) > 10


def test_a_mistake_must_explain_all_that_is_wrong():
    """n * n is 2 n at 2: there the answer below is right, and elsewhere it is no square."""
    examine = gives(
        "double(n)",
        lambda n: 2 * n,
        lambda dice: [(3,), (4,)],
        [like(lambda n: n * n, "square"), like(lambda n: 9, "nine")],
    )
    for answer, hint in ((lambda n: n * n, "square"), (lambda n: 9, "nine"), (lambda n: 9 - n, "")):
        with pytest.raises(checking.Wrong) as wrong:
            examine(answer, random.Random())
        assert wrong.value.hint == hint


def doubled(n):
    return n + n


def uses_it(n):
    return doubled(n)


class ClaimsAll(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (statistics.median, "this is statistics's own"),
        (torch.add, "own"),
        (len, "this is builtins's own"),
        (functools.partial(statistics.median), "this is statistics's own"),
        (day37.accuracy, "this is day37's own"),
        (uses_it, "your code uses doubled"),
        (lambda *numbers: 2, "your function takes (numbers)"),
        (lambda: 2, "your function takes ()"),
        (lambda n, m: 2, "your function takes (n, m)"),
        (42, "you gave 42"),
        (lambda n: 42, "gave 42"),
        (lambda n: True, "gave True"),
        (lambda n: torch.tensor(2.0 * n), "gave tensor("),
        (lambda n: print(n), "is there a return?"),
        (lambda n: ClaimsAll(3), "gave 3"),
    ],
)
def test_what_is_no_answer_is_refused(answer, words):
    found = check("9.1", answer)
    assert found.solved is False and words in found.text, found


def through_a_helper(n):
    return uses_it(n)


def by_alias(n):
    return ANOTHER_NAME(n)


ANOTHER_NAME = doubled


def by_the_exercises_own(n):
    return OWN(n) and 2 * n


OWN = lesson_1.count


def by_a_closure():
    hidden = doubled
    return lambda n: hidden(n)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (through_a_helper, "doubled"),
        (by_alias, "doubled"),
        (by_a_closure(), "doubled"),
        (lambda n, twice=doubled: twice(n), "doubled"),
        (by_the_exercises_own, "day37.exercises.lesson_1.count"),
    ],
)
def test_what_is_to_be_written_is_seen_by_any_name(answer, name):
    assert check("9.1", answer).text.startswith(f"your code uses {name}\n")


def test_a_mode_of_an_earlier_cell_is_no_matter(monkeypatch):
    def examine(answer, dice):
        torch.ones(2, requires_grad=True).sum().backward()

    exercise = Exercise("double(n)", examine, HINTS)
    monkeypatch.setattr(checking, "exercises", lambda: {"9.1": exercise})
    with torch.no_grad():
        assert check("9.1", lambda n: n, save=False).solved
    with torch.inference_mode():
        assert check("9.1", lambda n: n, save=False).solved


def test_a_question_to_the_reader_is_an_error():
    text = check("9.1", lambda n: input("?")).text
    assert "RuntimeError: nobody can answer `input` here" in text
    assert input is not checking.what_it_prints and input.__name__ != "_no_input"


def test_a_number_in_place_of_a_text_is_understood(monkeypatch):
    assert check(9.1, lambda n: 2 * n, save=False).solved
    assert check(["9.1"]).solved is None


def test_the_call_is_shown_with_an_error():
    assert check("9.1", lambda n: n / 0).text.startswith("double(")


def test_an_unknown_number_is_told_and_not_raised():
    assert check("7.7", len).text == "there is no exercise '7.7'; the exercises are 9.1"
    assert check(None).solved is None


def test_prints_are_shown_as_theirs():
    def loud(n):
        print("here", n)
        return 2 * n

    assert (
        repr(check("9.1", loud, save=False)).splitlines()[1].startswith("  your code printed: here")
    )


def test_their_error_is_shown_with_its_line():
    text = check("9.1", lambda n: n / 0).text
    assert "your code raised ZeroDivisionError" in text and "in your line" in text


def test_the_random_numbers_of_the_reader_stay(monkeypatch):
    def examine(answer, dice):
        torch.rand(5)

    monkeypatch.setattr(
        checking, "exercises", lambda: {"9.1": Exercise("double(n)", examine, HINTS)}
    )
    state = torch.get_rng_state()
    assert check("9.1", lambda n: n, save=False).solved
    assert torch.equal(torch.get_rng_state(), state)


def test_a_check_that_breaks_says_so_and_raises_nothing(monkeypatch):
    def examine(answer, dice):
        raise KeyError("mine")

    monkeypatch.setattr(
        checking, "exercises", lambda: {"9.1": Exercise("double(n)", examine, HINTS)}
    )
    assert "the check could not use your answer (KeyError: 'mine')" in check("9.1", len_of).text


def len_of(n):
    return len(n)


def test_an_error_in_recognising_is_not_this_mistake():
    examine = gives("double(n)", lambda n: 2 * n, numbers, [Mistake("no", lambda *_: 1 / 0)])
    with pytest.raises(checking.Wrong) as wrong:
        examine(lambda n: "text", random.Random())
    assert wrong.value.hint == ""


@pytest.mark.parametrize(
    ("came", "wanted", "alike"),
    [
        (2.0000000001, 2.0, True),
        (2.001, 2.0, False),
        (2.0, 2, True),
        (np.float32(2.5), 2.5, True),
        (np.int64(2), 2, True),
        (True, 1, False),
        (1, True, False),
        (np.bool_(True), True, True),
        ([1, 2], (1, 2), True),
        (np.array([1.0, 2.0]), (1, 2), True),
        ((1, 2, 3), (1, 2), False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"b": 1}, False),
        (torch.tensor(2.0), 2.0, False),
        ("one", "one", True),
        ("one", "two", False),
        (float("nan"), 2.0, False),
    ],
)
def test_what_is_the_same(came, wanted, alike):
    assert same(came, wanted) is alike


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (3, "3"),
        ([0.1, 2], "[0.1, 2]"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, ... (20 in all)]"),
        ((1.0, True), "(1, True)"),
        ({"a": 0.5}, "{'a': 0.5}"),
        (torch.zeros(4, 5), "a tensor of shape (4, 5) on cpu"),
        (torch.zeros(2, device="meta"), "a tensor of shape (2,) on meta"),
        (torch.tensor([1, 2]), "tensor([1, 2])"),
        ("x" * 300, "'" + "x" * 119 + " ..."),
    ],
)
def test_values_in_a_few_words(value, text):
    assert shown(value) == text


def test_each_exercise_has_three_hints_that_differ_and_a_call():
    every = EVERY()
    for number, exercise in every.items():
        assert len(set(exercise.hints)) == 3, number
        assert exercise.call and callable(exercise.examine)
    assert {number[0] for number in every} == set("12345")
