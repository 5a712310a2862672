"""python -m day37 record | compare | doctor: measure this machine, compare machines, look for faults."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from day37 import MLP, available_devices, doctor, load_iris, records, train
from day37.costs import Setting, measure_copies, measure_growth, measure_launch
from day37.hardware import usable_cpus
from day37.overhead import measure_account, record_timeline
from day37.reads import fit_cost, sweep_reads
from day37.speedups import measure_speedups

EPOCHS, SHORT, SEED = 20_000, 5_000, 42  # SHORT: for what is repeated, so that all of it takes minutes
GRID = [(120 * 4**i, 10 * 4**j) for j in range(6) for i in range(8 - j)]  # rows and width: no size has both large


def make_model(device: str) -> MLP:
    """The same start weights on every device."""
    torch.manual_seed(SEED)
    return MLP().to(device)


def stages(devices: list[str], epochs: int, short: int) -> Iterator[tuple[str, str, str, Callable[[], object]]]:
    """What `record` measures: in words, the recording's field, the key in it, and the function that measures it."""
    for device in devices:
        both = make_model(device), load_iris(device)
        run = {"epochs": epochs, "progress": False, "name": f"{device}, read every epoch"}
        sweep = {"epochs": [max(short // 10, 100), max(short // 5, 200)]}
        yield f"training on {device}", "runs", device, partial(train, make_model(device), both[1], **run)
        yield f"account of a step on {device}", "accounts", device, partial(measure_account, *both)
        yield f"timeline on {device}", "timelines", device, partial(record_timeline, *both)
        yield f"copies to {device}", "copies", device, partial(measure_copies, device)
        yield f"launches on {device}", "launches", device, partial(measure_launch, device)
        yield f"reads on {device}", "sweeps", device, partial(sweep_reads, partial(make_model, device), both[1], **sweep)
        yield f"ways to train on {device}", "ladders", device, partial(measure_speedups, *both, epochs=short)
    settings = {f"CPU, {n} thread{'s' * (n > 1)}": Setting(threads=n) for n in (1, usable_cpus())}
    settings |= {device: Setting(device) for device in devices if device != "cpu"}
    yield "growth in rows and width", "growths", "grid", partial(measure_growth, settings, GRID)


def record(path: Path, *, force: bool = False, devices: list[str] | None = None, epochs: int = EPOCHS, short: int = SHORT) -> int:
    """Measure this machine and write the recording to `path`.

    0 if all was measured; 1 if a part of it failed; 130 after an interrupt. Both keep the parts that were finished.
    """
    if path.exists() and not force:
        return _fail(f"{path} exists: give another name with --out, or --force to overwrite it")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        return _fail(f"{path.parent} is no folder that can be written to")
    torch.set_num_threads(1)  # steady times; where more are used, the result says so
    devices = devices or sorted({"cpu", available_devices()[0]})
    found, note, status = _measure(list(stages(devices, epochs, short)))
    records.save(records.here(f"python -m day37 record, {note}", **found), path, force=force)
    print(f"{note}; written to {path}")
    return status


def _measure(plan: list[tuple]) -> tuple[dict[str, dict], str, int]:
    """The results of the stages that were finished, by field and key; a note on the others; and the exit status."""
    found, failed, what, interrupts = {}, [], "", []

    def interrupt(*_) -> None:  # what measures ends early and well when interrupted, so remember that it was
        interrupts.append(what)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        for what, field, key, measured in _progress(plan):
            try:
                result = measured()
                records.as_json(result)  # now, while what it finds wrong costs one stage and not all
            except Exception as error:  # the other stages go on, and nothing measured is lost
                failed.append(f"{what} failed: {error}")
                result = None
            if interrupts:
                break
            if result is not None:
                found.setdefault(field, {})[key] = result
    except KeyboardInterrupt:
        interrupts.append(what)
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        return found, f"interrupted at: {interrupts[0]}", 130
    return found, "; ".join(failed) or "complete", int(bool(failed))


def _progress(plan: list) -> Iterator[tuple]:
    """The plan, with a bar where tqdm is installed, else with a line for each stage."""
    try:
        from tqdm import tqdm
    except ImportError:
        for i, stage in enumerate(plan, 1):
            print(f"{i}/{len(plan)} {stage[0]}", flush=True)
            yield stage
        return
    with tqdm(plan, unit="stage", file=sys.stdout) as bar:
        for stage in bar:
            bar.set_postfix_str(stage[0])
            yield stage


def compare(paths: list[Path], figure: Path) -> int:
    """Print a table over the recordings' machines and draw their ways to train side by side."""
    try:
        loaded = [records.load(path) for path in paths]
    except (OSError, ValueError) as error:
        return _fail(str(error))
    head = f"{'machine':44}{'device':>8}{'step':>10}{'ops':>6}{'kernels':>8}{'launch':>9}{'read':>14}{'best way':>22}{'µs':>8}"
    print(head + "   (times in µs)")
    for recording in loaded:
        for device in recording.accounts:
            print(_row(recording, device))
    ladders = [ladder for recording in loaded for ladder in recording.ladders.values()]
    try:
        from day37.plots import plot_ladder
    except ImportError:
        print("no figure: matplotlib is not installed")
        return 0
    if ladders:
        plot_ladder(*ladders).figure.savefig(figure, dpi=120)
        print(f"figure: {figure}")
    return 0


def _row(recording: records.Recording, device: str) -> str:
    account, ladder = recording.accounts[device], recording.ladders.get(device)
    counted, whole = account.operations, account.phases.whole
    text = f"{whole.origin.machine[:43]:44}{device:>8}{whole.median * 1e6:10.1f}"
    text += f"{sum(counted.operations.values()):6.0f}{sum(counted.kernels.values()):8.0f}"
    text += f"{recording.launches[device].finished.median * 1e6:9.2f}" if device in recording.launches else f"{'':9}"
    read = fit_cost(recording.sweeps[device]).b if device in recording.sweeps else None
    text += f"{'' if read is None else f'{read.low * 1e6:.1f} to {read.high * 1e6:.1f}':>14}"
    return text + (f"{ladder.best.name:>22}{ladder.step_us(ladder.best):8.2f}" if ladder else "")


def examine() -> int:
    """Print every check of the environment; 1 if one fails."""
    faults = 0
    for check in doctor.examine():
        print(check, flush=True)
        faults += bool(check.fault)
    return int(faults > 0)


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m day37", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record", help="measure this machine (some minutes) and write a JSON file")
    one.add_argument("--out", type=Path, default=Path("day37-recording.json"), metavar="FILE")
    one.add_argument("--force", action="store_true", help="overwrite FILE")
    two = commands.add_parser("compare", help="one table and figure over several recordings")
    two.add_argument("files", type=Path, nargs="+", metavar="FILE")
    two.add_argument("--figure", type=Path, default=Path("day37-compare.png"), metavar="PNG")
    commands.add_parser("doctor", help="check this environment; exit status 1 if something is wrong")
    given = parser.parse_args(arguments)
    if given.command == "record":
        return record(given.out, force=given.force)
    return compare(given.files, given.figure) if given.command == "compare" else examine()


if __name__ == "__main__":
    sys.exit(main())
