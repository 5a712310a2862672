"""What is no answer: an empty frame, and what a library has made."""

import inspect

from day37.exercises.running import Wrong

MADE_BY_OTHERS = ("day37", "torch", "numpy", "sklearn", "statistics", "scipy", "builtins", "math")


def was_tried(answer) -> bool:
    """Whether there is more than the empty frame: not None, `...`, or a body that is `...`."""
    if answer is None or answer is ...:
        return False
    if isinstance(answer, dict):
        return any(value is not None for value in answer.values())
    if inspect.isclass(answer):
        return any(inspect.isfunction(each) and was_tried(each) for each in vars(answer).values())
    if inspect.isfunction(answer):
        code = answer.__code__
        does_nothing = code.co_code in _EMPTY and not code.co_names
        return not (does_nothing and set(code.co_consts) <= {None, answer.__doc__})
    return True


def _nothing(): ...


def _nothing_told():
    """Says what it would do."""


_EMPTY = (_nothing.__code__.co_code, _nothing_told.__code__.co_code)


def refuse_what_others_made(answer, call: str, handed_over: tuple[str, ...]) -> None:
    """Wrong for a library's function, or a use of the one that is to be written."""
    if not callable(answer):
        return
    answer = getattr(answer, "func", answer)  # of a functools.partial
    if _maker(answer) in MADE_BY_OTHERS:
        raise Wrong(f"this is {_maker(answer)}'s own", f"Write {call} yourself.")
    for name in sorted(names_in(answer)):
        if name in handed_over or name.startswith("day37.exercises"):
            raise Wrong(f"your code uses {name}", "That is what is to be written: do without.")


def _maker(made) -> str:
    return (getattr(made, "__module__", None) or "builtins").split(".")[0]


def names_in(answer) -> set[str]:
    """The names that an answer's code uses, and its helpers' code; of an alias the real name too.

    What belongs to the exercises has its module before its name.
    """
    found = set()
    seen = []
    waiting = [answer]
    while waiting:
        each = waiting.pop()
        inside = vars(each).values() if inspect.isclass(each) else [each]
        for fn in filter(inspect.isfunction, inside):
            if fn in seen:
                continue
            seen.append(fn)
            cells = [cell.cell_contents for cell in fn.__closure__ or () if _is_full(cell)]
            used = [fn.__globals__[n] for n in _all_names(fn.__code__) if n in fn.__globals__]
            for other in [*cells, *used, *(fn.__defaults__ or ())]:
                module = getattr(other, "__module__", None) or ""
                inner = module.startswith("day37.exercises")
                found.add(f"{module}." * inner + getattr(other, "__name__", ""))
                if _maker(other) not in MADE_BY_OTHERS:
                    waiting.append(other)
            found.update(_all_names(fn.__code__))
    return found


def _is_full(cell) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name of the outer function that was never given a value
        return False


def _all_names(code) -> list[str]:
    """The names of a code, and of the functions that stand inside."""
    inner = [_all_names(constant) for constant in code.co_consts if inspect.iscode(constant)]
    return [*code.co_names, *(name for names in inner for name in names)]
