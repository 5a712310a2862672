"""The commands `record` and `compare`: measure this machine, and set recordings side by side."""

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from day37.machines.recording import Recording, as_json, new_recording, save
from day37.model import MLP
from day37.results import table
from day37.training import EPOCHS, train

SHORT = 5_000  # epochs of what is repeated, so that all of it takes minutes
SEED = 42
THREADS = 2  # of the CPU's second setting: on a shared machine, all of them are a trap
ROWS = [120 * 4**i for i in range(8)]
WIDTHS = [10 * 4**i for i in range(6)]


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
    after an interrupt. Both of these keep the parts that were finished. OSError if `path` cannot be
    written, before anything is measured. `progress` is handed the stages and gives them back.
    """
    if path.exists() and not force:
        again = "give another name with --out, or --force to overwrite it"
        raise FileExistsError(f"{path} exists: {again}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise OSError(f"{path.parent} is no folder that can be written to")
    torch.set_num_threads(1)  # steady times; where more are used, the result says so
    devices = devices or sorted({"cpu", available_devices()[0]})
    found, note, status = measure_stages(progress(stages(devices, epochs, short)))
    save(new_recording(f"python -m day37 record, {note}", **found), path, force=force)
    return note, status


def measure_stages(plan: Iterable[Stage]) -> tuple[dict[str, dict], str, int]:
    """The results that were finished, by field and key; a note on the others; the exit status."""
    found = {}
    failed = []
    interrupted = []  # the stages in which the interrupt came
    current = "the first stage"

    # What measures takes an interrupt in and returns what it has. So it is noted here as well: the
    # stage in which it came is not complete, and is dropped.
    def interrupt(*_) -> None:
        interrupted.append(current)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        for stage in plan:
            current = f"{stage.what}, {stage.key}"
            result = None
            try:
                result = stage.measure()
                as_json(result)  # a number that JSON cannot hold costs this stage, not the file
            except Exception as error:  # the other stages go on, and nothing measured is lost
                failed.append(f"{current} failed: {error}")
                result = None
            if interrupted:
                break
            if result is not None:
                found.setdefault(stage.field, {})[stage.key] = result
    except KeyboardInterrupt:
        interrupted.append(current)
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        return found, f"interrupted at: {interrupted[0]}", 130
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
