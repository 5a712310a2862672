"""Running a student's code: ten seconds at most; what it prints or raises is shown as theirs."""

import _thread
import builtins
import contextlib
import io
import linecache
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LIMIT = 10.0  # seconds
AGAIN = 0.2  # seconds to the next interrupt, for code that catches everything
HOUSE = str(Path(__file__).parent.parent)
STANDARD = os.path.dirname(os.__file__)  # Python's own library
PRINTED = 400  # characters shown of what an answer prints


class Wrong(Exception):
    """Why an answer is not right yet.

    `seen`: what was done and what came out, in words. `hint`: the hint for a mistake that is
    known; empty for any other. `error`: what their code raised, without the line.
    """

    def __init__(self, seen: str, hint: str = "", error: str = ""):
        super().__init__(seen)
        self.seen = seen
        self.hint = hint
        self.error = error


def ask(fn: Callable, *args, **names):
    """What a student's `fn(*args, **names)` returns.

    Wrong if it raises, with the line in which it did; and if it is not done after `LIMIT` seconds.
    An interrupt by the reader goes on as KeyboardInterrupt.
    """
    try:
        return within(LIMIT, lambda: fn(*args, **names))
    except TimeoutError as error:
        raise Wrong(str(error), "Is there an endless loop, or a very slow part?") from None
    except (KeyboardInterrupt, Wrong):
        raise
    except BaseException as error:  # SystemExit too: whatever their code raises is shown
        said = _first_line(error)
        raise Wrong(f"your code raised {said}{_place(error)}", _advice(error), said) from None


def ask_told(given: str, fn: Callable, *args, advice: dict[str, str] | None = None):
    """As `ask`; what it says of an error begins with the call, in words, if `given` is not empty.

    `advice`: words that an error may hold, each with its hint; the first that fits is given.
    """
    try:
        return ask(fn, *args)
    except Wrong as error:
        seen = ": ".join(filter(None, (given, error.seen)))
        fits = [hint for words, hint in (advice or {}).items() if words in error.error]
        raise Wrong(seen, [*fits, error.hint][0], error.error) from None


def within(seconds: float, fn: Callable[[], object]):
    """What `fn()` returns; TimeoutError if it is not done after so many seconds.

    Only Python's main thread can be interrupted: in another one there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return fn()
    lock = threading.Lock()
    over = threading.Event()
    fired = threading.Event()

    def ring():
        over.wait(seconds)
        while not over.is_set():
            with lock:
                if not over.is_set():
                    fired.set()
                    _interrupt()
            over.wait(AGAIN)

    # All in one frame: an interrupt would slip out of a `with` block.
    try:
        try:
            threading.Thread(target=ring, daemon=True).start()
            return fn()
        finally:
            with lock:
                over.set()
            if fired.is_set():
                time.sleep(0.01)  # the interrupt is on its way: it is taken here
    except KeyboardInterrupt:
        over.set()
        if not fired.is_set():
            raise  # the reader's own
        raise TimeoutError(f"your code was not done after {seconds:g} s") from None


def _interrupt() -> None:
    """Interrupt the main thread, in a sleep too where the system can."""
    if os.name != "nt":
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextlib.contextmanager
def what_it_prints():
    """Inside, prints are kept: a list whose one text is there afterwards, shortened.

    `input` raises an error: a box to be filled in would outlast the ten seconds.
    """
    kept = []
    paper = io.StringIO()
    before = builtins.input
    builtins.input = _no_input
    try:
        with contextlib.redirect_stdout(paper):
            yield kept
    finally:
        builtins.input = before
        text = paper.getvalue().strip()
        kept.append(text if len(text) <= PRINTED else f"{text[:PRINTED]} ...")


def _no_input(*_):
    raise RuntimeError("nobody can answer `input` here: use what your function is given")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])


def _place(error: BaseException) -> str:
    """Their line: the last one of the traceback that stands in no installed file."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        name = frame.f_code.co_filename
        theirs = not name.startswith((HOUSE, STANDARD)) and "site-packages" not in name
        line = linecache.getline(name, number).strip()
        if theirs and line:
            return f", in your line {number}: {line}"
    return ""


def _advice(error: BaseException) -> str:
    """A hint for the errors that a wrong signature and a name that is not there give."""
    if isinstance(error, RecursionError):
        return "Your function calls itself without an end."
    if isinstance(error, UnboundLocalError):
        return "There is a way through your code on which this name gets no value. Which one?"
    if isinstance(error, NameError):
        return "Is the name spelt as in your other cells, and has the cell that makes it been run?"
    return ""
