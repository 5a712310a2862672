"""What is finished is kept when a signal asks `record` to stop: real signals, in a process."""

import os
import signal
import subprocess
import sys
import time

import pytest

from day37.machines import record as recorder
from day37.machines.record import Stage, record
from day37.machines.recording import load

NO_SIGNALS = pytest.mark.skipif(os.name == "nt", reason="no process can be sent these there")
pytestmark = [pytest.mark.slow, NO_SIGNALS]
SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
SESSION = """
import os
import signal
import sys
import time
from day37 import __main__ as commands
from day37.experiments.fixed_costs import measure_launch
from day37.machines import record as recorder
from day37.machines.record import Stage

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background has none

def launches():
    return measure_launch(launches=2, repeats=2)

def measure():
    print("measuring", flush=True)
    time.sleep(60)

def kill():
    os.kill(os.getpid(), signal.SIGTERM)

{more}

plan = [Stage("a", "launches", "a", launches), Stage("b", "launches", "b", measure)]
plan.append(Stage("c", "launches", "c", launches))
recorder.stages = lambda *_: plan
sys.exit(commands.main(["record", "--out", sys.argv[1]]))
"""


def start(path, more="", **how):
    command = [sys.executable, "-c", SESSION.format(more=more), str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes | how)


def wait_for_stage(process):
    for line in process.stdout:
        if b"measuring" in line:
            return
    pytest.fail(process.stderr.read().decode())


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_keeps_what_was_finished(name, tmp_path):
    path = tmp_path / "part.json"
    process = start(path)
    wait_for_stage(process)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert process.returncode == SIGNALS[name], err.decode()
    assert b"Traceback" not in err
    assert f"interrupted at: b, b; written to {path}" in out.decode()
    assert list(load(path).launches) == ["a"]
    assert "interrupted at: b, b" in load(path).source
    assert [each.name for each in tmp_path.iterdir()] == ["part.json"]


def test_many_signals_do_not_lose_the_file(tmp_path):
    path = tmp_path / "part.json"
    process = start(path)
    wait_for_stage(process)
    while process.poll() is None and not path.exists():
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    process.communicate(timeout=60)
    assert list(load(path).launches) == ["a"]


AGAIN = {
    "while it is written": """
save = recorder.save
def save_slowly(*given, **how):
    kill()
    save(*given, **how)
    kill()
recorder.save = save_slowly
""",
    "while the first is dealt with": """
def measure():
    print("measuring", flush=True)
    try:
        time.sleep(60)
    finally:
        kill()
""",
    "after one was taken in": """
def measure():
    print("measuring", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("measuring", flush=True)
    try:
        kill()
        time.sleep(60)
    except KeyboardInterrupt:
        return launches()
""",
}


@pytest.mark.parametrize("more", AGAIN.values(), ids=AGAIN)
def test_a_second_signal_does_not_lose_it(more, tmp_path):
    path = tmp_path / "part.json"
    process = start(path, more)
    wait_for_stage(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130  # the first
    assert list(load(path).launches) == ["a"]


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    path = tmp_path / "all.json"
    more = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"  # as nohup does
    more += "def measure():\n    os.kill(os.getpid(), signal.SIGHUP)\n    return launches()"
    process = start(path, more)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and b"complete" in out
    assert list(load(path).launches) == ["a", "b", "c"]


def test_a_terminal_that_is_closed_keeps_it_too(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    termios = pytest.importorskip("termios")
    ours, theirs = os.openpty()
    path = tmp_path / "part.json"

    def take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    how = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    process = start(path, **how, start_new_session=True, preexec_fn=take_terminal)
    os.close(theirs)
    shown = b""
    while b"measuring" not in shown:
        shown += os.read(ours, 1000)
    os.close(ours)
    assert process.wait(timeout=60) == SIGNALS["SIGHUP"]
    assert list(load(path).launches) == ["a"]


def test_a_reader_that_goes_keeps_it_too(tmp_path):
    path = tmp_path / "part.json"
    process = start(path, "def measure():\n    print('measuring', flush=True)\n    time.sleep(1)")
    wait_for_stage(process)
    process.stdout.close()
    assert process.wait(timeout=60) == 1, process.stderr.read().decode()
    assert "a" in load(path).launches and "could not be shown: " in load(path).source


def handlers():
    return {name: signal.getsignal(getattr(signal, name)) for name in SIGNALS}


def test_the_handlers_are_set_back_whatever_happens(tmp_path, monkeypatch):
    before = handlers()
    seen = []
    plan = [Stage("a", "launches", "a", lambda: seen.append(handlers()))]
    monkeypatch.setattr(recorder, "stages", lambda *_: plan)
    record(tmp_path / "one.json", devices=["cpu"])
    assert all(seen[0][name] is not before[name] for name in SIGNALS)
    assert handlers() == before
    monkeypatch.setattr(recorder, "save", lambda *_, **how: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        record(tmp_path / "two.json", devices=["cpu"])
    assert handlers() == before
