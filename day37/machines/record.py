"""The commands `record` and `compare`: measure this machine, and set recordings side by side."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import torch

from day37.data import load_iris
from day37.device import available_devices
from day37.experiments.arithmetic import measure_account
from day37.experiments.fixed_costs import measure_copies, measure_launch
from day37.experiments.growth import measure_growth
from day37.experiments.reads import fit_cost, sweep_reads
from day37.experiments.timeline import profile_timeline
from day37.faster.ladder import measure_speedups
from day37.machines.card import usable_cpus
from day37.machines.recording import (
    Recording,
    as_json,
    new_recording,
    save,
    save_beside,
    why_not_writable,
)
from day37.model import MLP
from day37.results import table
from day37.training import EPOCHS, train

SHORT = 5_000  # epochs of what is repeated, so that all of it takes minutes
SEED = 42
THREADS = 2  # of the CPU's second setting: on a shared machine, all of them are a trap
ROWS = [120 * 4**i for i in range(8)]
WIDTHS = [10 * 4**i for i in range(6)]
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # that ask to stop; not each system has all


def make_model(device: str) -> MLP:
    """The same start weights on every device."""
    torch.manual_seed(SEED)
    return MLP().to(device)


@dataclass(frozen=True)
class Stage:
    """One part of a recording: in words, its field, the key in it, and what measures it."""

    what: str
    field: str
    key: str
    measure: Callable[[], object]


def stages(devices: list[str], epochs: int, short: int) -> list[Stage]:
    """What `record` measures."""
    plan = []
    for device in devices:
        data = load_iris(device)
        make = partial(make_model, device)
        both = (make(), data)
        run = {"epochs": epochs, "progress": False, "name": f"{device}, read every epoch"}
        some = [max(short // 10, 100), max(short // 5, 200)]
        plan += [
            Stage("training", "runs", device, partial(train, make(), data, **run)),
            Stage("account of a step", "accounts", device, partial(measure_account, *both)),
            Stage("timeline", "timelines", device, partial(profile_timeline, *both)),
            Stage("copies", "copies", device, partial(measure_copies, device)),
            Stage("launches", "launches", device, partial(measure_launch, device)),
            Stage("reads", "sweeps", device, partial(sweep_reads, make, data, epochs=some)),
            Stage("ways", "ladders", device, partial(measure_speedups, *both, epochs=short)),
        ]
    settings = {"CPU, 1 thread": ("cpu", 1)}
    if usable_cpus() >= THREADS:
        settings[f"CPU, {THREADS} threads"] = ("cpu", THREADS)
    settings |= {device: device for device in devices if device != "cpu"}
    for over, sizes in (("rows", ROWS), ("width", WIDTHS)):
        grow = partial(measure_growth, settings, over, sizes)
        plan.append(Stage("growth", "growths", over, grow))
    return plan


def record(
    path: Path,
    *,
    force: bool = False,
    devices: list[str] | None = None,
    epochs: int = EPOCHS,
    short: int = SHORT,
    progress: Callable[[list[Stage]], Iterable[Stage]] = iter,
) -> tuple[str, int]:
    """Measure this machine, stage by stage, and write the recording to `path`.

    A note on what was measured, and an exit status: 0 if all was; 1 if a part of it failed; 130
    after an interrupt, 128 and its number after another signal that asks to stop. All of these keep
    the parts that were finished. Where the system ends it without a word, for want of memory, they
    are in a file beside `path`. OSError if `path` cannot be written, before anything is measured.
    `progress` is handed the stages and gives them back.
    """
    why = why_not_writable(path)
    if why:
        raise OSError(f"--out: {why}")
    if path.exists() and not force:
        again = "give another name with --out, or --force to overwrite it"
        raise FileExistsError(f"{path} exists: {again}")
    torch.set_num_threads(1)  # steady times; where more are used, the result says so
    devices = devices or sorted({"cpu", available_devices()[0]})
    stop = Stop()
    with noted_signals(stop):  # until the file is written: a second signal does not lose it
        plan = progress(stages(devices, epochs, short))

        def keep(found: dict[str, dict]) -> None:
            so_far = f"python -m day37 record, ended by the system after: {stop.stage}"
            save_beside(new_recording(so_far, **found), path)

        found, note, status = measure_stages(plan, stop, keep)
        save(new_recording(f"python -m day37 record, {note}", **found), path, force=force)
    return note, status


@dataclass
class Stop:
    """Whether to stop: the number of the first signal that said so, and the stage that is on."""

    number: int = 0
    stage: str = "the first stage"


@contextmanager
def noted_signals(stop: Stop) -> Iterator[None]:
    """Inside, a signal that asks to stop is noted, and interrupts a stage that is being measured.

    What measures takes an interrupt in and returns what it has, so a note is needed as well. A
    signal that is ignored stays so: nohup asks for that.
    """

    def note(number: int, frame: FrameType | None) -> None:
        stop.number = stop.number or number
        while frame is not None:
            frame = frame.f_back
            if frame is not None and frame.f_code is measure_stages.__code__:
                raise KeyboardInterrupt  # in what it calls: never in itself, nor in `save`

    before = {}
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def measure_stages(
    plan: Iterable[Stage], stop: Stop, keep: Callable[[dict], None]
) -> tuple[dict[str, dict], str, int]:
    """The results that were finished, by field and key; a note on the others; the exit status.

    `keep` is handed what there is after each stage.
    """
    found = {}
    failed = []
    try:
        for stage in plan:
            stop.stage = f"{stage.what}, {stage.key}"
            result = None
            try:
                result = stage.measure()
                as_json(result)  # a number that JSON cannot hold costs this stage, not the file
            except Exception as error:  # the other stages go on, and nothing measured is lost
                failed.append(f"{stop.stage} failed: {error}")
                result = None
            if stop.number:  # the stage in which it came is not complete, and is dropped
                break
            if result is not None:
                found.setdefault(stage.field, {})[stage.key] = result
                with suppress(OSError):  # a full disk is told at the end
                    keep(found)
    except KeyboardInterrupt:
        stop.number = stop.number or signal.SIGINT
    except Exception as error:  # a bar that nobody reads any more: what was measured is kept
        failed.append(f"after {stop.stage}, the progress could not be shown: {error}")
    if stop.number:
        return found, f"interrupted at: {stop.stage}", 128 + stop.number
    return found, "; ".join(failed) or "complete", int(bool(failed))


def side_by_side(recordings: list[Recording]) -> str:
    """A table over the recordings' machines, a row for each device with an account of its step."""
    head = ("machine", "device", "step", "operations", "kernels", "launch", "read", "best way", "")
    rows = []
    for recording in recordings:
        rows += [_row(recording, device) for device in recording.accounts]
    return f"{table(head, rows)}\ntimes in µs"


def _row(recording: Recording, device: str) -> tuple[str, ...]:
    account = recording.accounts[device]
    counted = account.operations
    whole = account.phases.whole
    row = [whole.origin.product, device, f"{whole.median * 1e6:.1f}"]
    row.append(f"{sum(counted.operations.values()):.0f}")
    row.append(f"{sum(counted.kernels.values()):.0f}")
    row += ["", "", "", ""]  # of what was not recorded
    if device in recording.launches:
        row[5] = f"{recording.launches[device].finished.median * 1e6:.2f}"
    if device in recording.sweeps:
        b = fit_cost(recording.sweeps[device]).b
        row[6] = f"{b.low * 1e6:.1f} to {b.high * 1e6:.1f}"
    if device in recording.ladders:
        ladder = recording.ladders[device]
        row[7] = ladder.best.name
        row[8] = f"{ladder.step_us(ladder.best):.2f}"
    return tuple(row)
