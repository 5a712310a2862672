"""Asking `check` as a student does who has not been here before."""

from day37.exercises import checking


def fresh(number):
    """Forget the tries of before."""
    checking.TRIED.pop(number, None)
    checking.HINTED.pop(number, None)


def passes(number, answer, times=20):
    """An answer is right, and each time: inputs are drawn anew."""
    for _ in range(times):
        found = checking.check(number, answer, save=False)
        assert found.solved is True, found


def fails(number, answer, hint, times=20):
    """An answer is wrong, each time, and the hint says these words at the first try."""
    for _ in range(times):
        fresh(number)
        found = checking.check(number, answer, save=False)
        assert found.solved is False, found
        assert hint in found.text, found
