"""python -m day37 prints on any console, and into a file in any encoding, with nothing lost."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from day37 import MLP, load_iris
from day37 import __main__ as commands
from day37.experiments.arithmetic import measure_account
from day37.machines.record import Stage
from day37.machines.recording import Recording, save

ENCODINGS = ["cp1252", "gbk", "cp932", "cp949", "cp437", "ascii"]
SAID = "a card of 篮球 → 7 µs · ½ “é” √2 💡"  # as a machine's name may be
# The same by hand, where an encoding lacks some of it.
SHOWN = {
    "cp1252": r"a card of \u7bee\u7403 -> 7 µs · ½ “é” sqrt2 \U0001f4a1",
    "gbk": r"a card of 篮球 → 7 us · \xbd “é” √2 \U0001f4a1",
    "cp932": r"a card of \u7bee球 → 7 us * \xbd “\xe9” √2 \U0001f4a1",
    "cp949": r"a card of \u7bee球 → 7 us · ½ “\xe9” √2 \U0001f4a1",
    "cp437": r'a card of \u7bee\u7403 -> 7 µs · ½ "é" √2 \U0001f4a1',
    "ascii": r'a card of \u7bee\u7403 -> 7 us * \xbd "\xe9" sqrt2 \U0001f4a1',
    "utf-8": SAID,
    "utf-16": SAID,
}


def as_shown(text, encoding):
    """The text as this encoding shows it."""
    shown = ""
    for character in text:
        try:
            character.encode(encoding)
            shown += character
        except UnicodeEncodeError:
            escaped = character.encode("ascii", "backslashreplace").decode()
            shown += commands.PLAIN.get(character, escaped)
    return shown


def run(*arguments, **environment):
    """The exit status, and the bytes of stdout and of stderr."""
    command = [sys.executable, "-X", "utf8=0", "-m", "day37", *map(str, arguments)]
    names = ("PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL", "LANG")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(command, capture_output=True, env=kept | environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a Chinese name, a recording in it, of a machine with a name in many letters."""
    folder = tmp_path_factory.mktemp("实验 é µ")
    account = measure_account(MLP(), load_iris(), steps=3)
    whole = account.phases.whole
    named = replace(whole, origin=replace(whole.origin, product=SAID))
    account = replace(account, phases=replace(account.phases, whole=named))
    save(Recording("a test", "today", {}, accounts={"cpu": account}), folder / "één.json")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(
    os.name == "nt", reason="on Windows, arguments and files have rules of their own"
)
def test_compare_prints_the_same_in_every_encoding(folder):
    given = ("compare", folder / "één.json", "--figure", folder / "图.png")
    status, out, err = run(*given, PYTHONIOENCODING="utf-8")
    said = out.decode("utf-8")
    assert (status, err) == (0, b"") and SAID in said and "times in µs" in said
    for encoding in ENCODINGS:
        status, out, err = run(*given, PYTHONIOENCODING=encoding)
        assert (status, err) == (0, b""), encoding
        assert out.decode(encoding) == as_shown(said, encoding)
        assert SHOWN[encoding] in out.decode(encoding)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="LC_ALL is not for Windows")
@pytest.mark.skipif(not __file__.isascii(), reason="Python cannot find this folder by ASCII alone")
def test_a_locale_without_letters_is_enough(folder):
    given = ("compare", folder / "één.json", "--figure", folder / "图.png")
    how = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    status, out, err = run(*given, **how)
    assert (status, err) == (0, b"")
    assert SHOWN["ascii"] in out.decode("ascii") and b"times in us\n" in out
    status, out, err = run("compare", folder / "图.json", **how)
    assert (status, out) == (2, b"")
    assert r"\udce5\udc9b\udcbe.json" in err.decode("ascii")  # the bytes of the name


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_and_help_are_printed_too(encoding, tmp_path):
    status, out, err = run("compare", tmp_path / f"{SAID}.json", PYTHONIOENCODING=encoding)
    assert (status, out) == (2, b"")
    assert SHOWN[encoding] in err.decode(encoding)
    status, out, err = run("doctor", SAID, PYTHONIOENCODING=encoding)
    assert (status, out) == (2, b"") and SHOWN[encoding] in err.decode(encoding)


def shown_by(encoding, text):
    """What reaches a file of this encoding, after `print_anywhere`."""
    streams = sys.stdout, sys.stderr
    file = io.BytesIO()
    try:
        sys.stdout = io.TextIOWrapper(file, encoding, newline="\n")
        sys.stderr = None  # as where there is no console
        commands.print_anywhere()
        print(text, flush=True)
        sys.stdout.detach()
    finally:
        sys.stdout, sys.stderr = streams
    return file.getvalue().decode(encoding, "surrogatepass")


@pytest.mark.parametrize("encoding", SHOWN)
def test_what_an_encoding_lacks_is_written_in_another_form(encoding):
    assert shown_by(encoding, SAID) == f"{SHOWN[encoding]}\n"


@pytest.mark.parametrize("encoding", SHOWN)
def test_a_name_that_is_no_text_is_shown(encoding):
    name = os.fsdecode(b"a\xff.json") if os.name != "nt" else "a\udcff.json"
    assert shown_by(encoding, name) == "a\\udcff.json\n"


def test_every_plain_form_is_one_that_every_encoding_has():
    for character, plain in commands.PLAIN.items():
        assert len(character) == 1 and not character.isascii()
        assert plain.isascii() and plain.isprintable() and plain


def test_each_symbol_that_the_library_prints_has_a_plain_form():
    """Letters aside: a symbol that is new in the source asks for one."""
    used = set()
    for path in Path(commands.__file__).parent.rglob("*.py"):
        used |= set(path.read_text(encoding="utf-8"))
    on_buttons = {"▶"}  # in notebooks only
    symbols = {each for each in used if not each.isalpha() and "\x7f" < each < "\u3000"}
    assert sorted(symbols - set(commands.PLAIN) - on_buttons) == []


@pytest.mark.parametrize("encoding", SHOWN)
def test_tqdms_bar_is_printed(encoding, monkeypatch):
    pytest.importorskip("tqdm")
    file = io.BytesIO()
    out = io.TextIOWrapper(file, encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    commands.print_anywhere()
    plan = [Stage(SAID, "runs", "cpu", list)]
    assert list(commands._progress(plan)) == plan
    out.flush()
    assert f"{SHOWN[encoding]}, cpu" in file.getvalue().decode(encoding)
    out.detach()


def test_it_leaves_alone_what_cannot_be_set(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # a notebook's has no `reconfigure` either
    monkeypatch.setattr(sys, "stderr", None)
    commands.print_anywhere()
    print(SAID)
    assert sys.stdout.getvalue() == f"{SAID}\n"


def test_only_what_is_written_has_another_form():
    commands.print_anywhere()
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", "day37")
