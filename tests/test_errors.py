"""Every bad argument gets an error that names it, its value and what is allowed."""

import json
import re
from dataclasses import replace

import pytest
import torch

from day37 import (
    MLP,
    EarlyStopping,
    StepQueue,
    choose_device,
    compare,
    explore,
    fit_cost,
    load_iris,
    measure,
    measure_growth,
    measure_phases,
    measure_speedups,
    plot,
    read_gpu_name,
    sweep_reads,
    trace_calls,
    train,
    train_and_keep,
    with_threads,
)
from day37.experiments.arithmetic import measure_floor
from day37.experiments.fixed_costs import measure_copies, measure_launch
from day37.experiments.operations import count_operations
from day37.experiments.reads import ReadSweep
from day37.machines.recording import PUBLISHED, load

SPLIT = load_iris()
EPOCHS, EVERY = (
    "epochs must be a whole number, 1 or more",
    "read_loss_every must be a whole number from 1 to 20",
)


def training(data=SPLIT, **arguments):
    return lambda: train(MLP(), data, **{"epochs": 20, "progress": False} | arguments)


def rows(split, n):
    return replace(split, x_train=split.x_train[:n], y_train=split.y_train[:n])


class Shell:
    x_train = SPLIT.x_train
    y_train = SPLIT.y_train


class Half:
    x_train = SPLIT.x_train
    device = SPLIT.device


QUEUE = StepQueue(34, 69e-6, 25e-6, 45e-6)


def nothing():
    return None


LR = "lr must be a finite number above 0"
TABLE = [
    (training(epochs=0), ValueError, EPOCHS, "0"),
    (training(epochs=-1), ValueError, EPOCHS, "-1"),
    (training(epochs=1.5), TypeError, EPOCHS, "1.5"),
    (training(epochs="many"), TypeError, EPOCHS, "'many'"),
    (training(epochs=True), TypeError, EPOCHS, "True"),
    (training(read_loss_every=0), ValueError, EVERY, "0"),
    (training(read_loss_every=-1), ValueError, EVERY, "-1"),
    (training(read_loss_every=21), ValueError, EVERY, "21"),
    (training(lr=0), ValueError, LR, "0"),
    (training(lr=-0.1), ValueError, LR, "-0.1"),
    (training(lr=float("nan")), ValueError, LR, "nan"),
    (training(lr=float("inf")), ValueError, LR, "inf"),
    (training(lr="fast"), TypeError, LR, "'fast'"),
    (training(on_read=5), TypeError, "on_read must be callable, or None", "5"),
    (lambda: train(MLP(), (1, 2)), TypeError, "data must be an IrisSplit", "'tuple'"),
    (
        lambda: train(MLP().requires_grad_(False), SPLIT),
        ValueError,
        "a module with parameters to train",
        "'MLP'",
    ),
    (
        lambda: train(MLP().to("meta"), SPLIT.to("meta")),
        ValueError,
        "data must be on a device that computes",
        "meta",
    ),
    (
        training(replace(SPLIT, y_train=SPLIT.y_train.to("meta"))),
        ValueError,
        "data must be on a device that computes",
        "y_train on meta",
    ),
    (lambda: train(print, SPLIT), TypeError, "model must be an nn.Module", "print"),
    (
        lambda: train(torch.nn.ReLU(), SPLIT),
        ValueError,
        "model must be a module with parameters",
        "'ReLU'",
    ),
    (
        training(replace(SPLIT, x_train=SPLIT.x_train[:, :3])),
        ValueError,
        "x_train must be of shape (rows, 4)",
        "(120, 3)",
    ),
    (
        training(replace(SPLIT, x_train=SPLIT.x_train.double())),
        TypeError,
        "x_train must be of the model's dtype",
        "torch.float64",
    ),
    (
        training(replace(SPLIT, y_train=SPLIT.y_train.float())),
        TypeError,
        "y_train must be of dtype torch.int64",
        "torch.float32",
    ),
    (
        training(replace(SPLIT, y_train=SPLIT.y_train + 1)),
        ValueError,
        "labels from 0 to 2",
        "labels 1 to 3",
    ),
    (
        training(replace(SPLIT, y_train=SPLIT.y_train - 1)),
        ValueError,
        "labels from 0 to 2",
        "labels -1 to 1",
    ),
    (
        training(replace(SPLIT, y_train=SPLIT.y_train[:7])),
        ValueError,
        "one label for each row",
        "(7,)",
    ),
    (training(rows(SPLIT, 0)), ValueError, "data must be a split with rows", "(0,)"),
    (lambda: load_iris(test_size=0.0), ValueError, "test_size must be a share", "0.0"),
    (lambda: load_iris(test_size=1.0), ValueError, "test_size must be a share", "1.0"),
    (lambda: load_iris(test_size=0.999), ValueError, "test_size must be a share", "0.999"),
    (lambda: load_iris(test_size="half"), ValueError, "test_size must be a share", "'half'"),
    (
        lambda: load_iris(seed=-1),
        ValueError,
        "seed must be a whole number from 0 to 4294967295",
        "-1",
    ),
    (
        lambda: load_iris(seed=2**40),
        ValueError,
        "seed must be a whole number from 0 to",
        "1099511627776",
    ),
    (
        lambda: load_iris("cdua"),
        ValueError,
        "device must be one of the devices of this machine",
        "'cdua'",
    ),
    (
        lambda: load_iris("cuda:99"),
        ValueError,
        "device must be one of the devices of this machine",
        "'cuda:99'",
    ),
    (
        lambda: SPLIT.to("cuda:99"),
        ValueError,
        "device must be one of the devices of this machine",
        "'cuda:99'",
    ),
    (
        lambda: choose_device("gpu"),
        ValueError,
        "device must be one of the devices of this machine",
        "'gpu'",
    ),
    (
        lambda: choose_device("cpu:7"),
        ValueError,
        "device must be one of the devices of this machine",
        "'cpu:7'",
    ),
    (
        lambda: choose_device(3.5),
        ValueError,
        "device must be one of the devices of this machine",
        "3.5",
    ),
    (lambda: MLP(hidden=0), ValueError, "hidden must be a whole number, 1 or more", "0"),
    (lambda: MLP(classes=2.5), TypeError, "classes must be a whole number, 1 or more", "2.5"),
    (
        lambda: measure(nothing, repeats=0),
        ValueError,
        "repeats must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: measure(nothing, warmup=-1),
        ValueError,
        "warmup must be a whole number, 0 or more",
        "-1",
    ),
    (lambda: measure(None), TypeError, "must be callable", "None"),
    (lambda: measure(nothing, device="tpu9"), ValueError, "device must be one of", "'tpu9'"),
    (
        lambda: compare(nothing, nothing, repeats=0),
        ValueError,
        "repeats must be a whole number, 8 or more",
        "0",
    ),
    (
        lambda: compare(nothing, nothing, names=("a", "a")),
        ValueError,
        "names must be two different names",
        "('a', 'a')",
    ),
    (
        lambda: compare(nothing, nothing, names=("a", "b", "c")),
        ValueError,
        "names must be two",
        "('a', 'b', 'c')",
    ),
    (
        lambda: measure_phases(MLP(), SPLIT, warmup=-3),
        ValueError,
        "warmup must be a whole number, 0 or more",
        "-3",
    ),
    (
        lambda: measure_phases(MLP(), SPLIT, steps=0),
        ValueError,
        "steps must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: count_operations(MLP(), rows(SPLIT, 0)),
        ValueError,
        "data must be a split with rows",
        "(0,)",
    ),
    (
        lambda: measure_floor(MLP(), SPLIT, size=0),
        ValueError,
        "size must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: measure_copies(sizes=[4, 6]),
        ValueError,
        "sizes must be multiples of 4 bytes",
        "[4, 6]",
    ),
    (
        lambda: measure_copies(sizes=["4"]),
        TypeError,
        "sizes must be a whole number, 4 or more",
        "'4'",
    ),
    (lambda: measure_copies(sizes=[]), ValueError, "sizes must be multiples of 4 bytes", "[]"),
    (
        lambda: measure_growth({"cpu": "cpu"}, "rows", []),
        ValueError,
        "sizes must be one or more",
        "[]",
    ),
    (
        lambda: measure_growth({}, "rows", [5]),
        ValueError,
        "one or more, with one setting or more",
        "[5]",
    ),
    (
        lambda: measure_growth({"cpu": "cpu"}, "depth", [3]),
        ValueError,
        'over must be "rows" or "width"',
        "'depth'",
    ),
    (
        lambda: measure_growth({"a": ("cpu", 0)}, "rows", [3]),
        ValueError,
        "threads must be a whole number",
        "0",
    ),
    (
        lambda: measure_growth({"a": "cuda:99"}, "rows", [3]),
        ValueError,
        "device must be one of",
        "'cuda:99'",
    ),
    (
        lambda: measure_launch(launches=0),
        ValueError,
        "launches must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: measure_growth({"cpu": "cpu"}, "width", [0]),
        ValueError,
        "sizes must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: with_threads(0, nothing),
        ValueError,
        "threads must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: sweep_reads(MLP, SPLIT, read_loss_every=[0]),
        ValueError,
        "read_loss_every must be a whole number from 1 to 1000",
        "0",
    ),
    (
        lambda: sweep_reads(MLP, SPLIT, read_loss_every=[]),
        ValueError,
        "read_loss_every must be one or more",
        "[]",
    ),
    (
        lambda: sweep_reads(MLP, SPLIT, repeats=0),
        ValueError,
        "repeats must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: fit_cost(ReadSweep((training()(),))),
        ValueError,
        "two of steps between reads at least",
        "(1,)",
    ),
    (lambda: measure_speedups(MLP(), SPLIT, epochs=0), ValueError, EPOCHS, "0"),
    (
        lambda: measure_speedups(MLP(), SPLIT, repeats=7),
        ValueError,
        "repeats must be a whole number, 8 or more",
        "7",
    ),
    (lambda: measure_speedups(MLP(), SPLIT, lr=-1), ValueError, LR, "-1"),
    (
        lambda: measure_speedups(MLP(), rows(SPLIT, 0)),
        ValueError,
        "data must be a split with rows",
        "(0,)",
    ),
    (
        lambda: EarlyStopping(patience=0),
        ValueError,
        "patience must be a whole number, 1 or more",
        "0",
    ),
    (
        lambda: EarlyStopping(min_delta=-1),
        ValueError,
        "min_delta must be a number, 0 or more",
        "-1",
    ),
    (
        lambda: EarlyStopping(min_delta="x"),
        ValueError,
        "min_delta must be a number, 0 or more",
        "'x'",
    ),
    (lambda: train_and_keep(MLP(), SPLIT, epochs=0), ValueError, EPOCHS, "0"),
    (lambda: train_and_keep(MLP(), SPLIT, lr=-1), ValueError, LR, "-1"),
    (
        lambda: train_and_keep(MLP(), rows(SPLIT, 0)),
        ValueError,
        "data must be a split with rows",
        "(0,)",
    ),
    (lambda: ReadSweep(()), ValueError, "runs must be one or more", "0 runs"),
    (lambda: plot(5), TypeError, "result must be one of these: IrisSplit, TrainingRun", "5"),
    (lambda: plot(SPLIT, 5), TypeError, "others must be of the first one's type", "5"),
    (lambda: plot(SPLIT, SPLIT), TypeError, "and that one of ['TrainingRun'", "IrisSplit"),
    (lambda: explore(training()(), 5), TypeError, "others must be one CostModel or more", "(5,)"),
    (lambda: train(MLP(), Shell()), TypeError, "data must be an IrisSplit", "'Shell'"),
    (lambda: train(MLP(), Half()), TypeError, "data must be an IrisSplit", "'Half'"),
    (
        lambda: measure_growth({"a": 5}, "rows", [3]),
        TypeError,
        "settings['a'] must be a device",
        "5",
    ),
    (
        lambda: measure_growth({"a": ("cpu",)}, "rows", [3]),
        TypeError,
        "settings['a'] must be a device",
        "('cpu',)",
    ),
    (lambda: explore(QUEUE, 5), TypeError, "others must be left out", "(5,)"),
    (lambda: explore(replace(QUEUE, kernel=0.0)), ValueError, "kernel must be from 0.01 to", "0.0"),
    (
        lambda: explore(5),
        TypeError,
        "result must be one of these: StepQueue, TrainingRun, Call",
        "5",
    ),
    (lambda: trace_calls(len, SPLIT.x_train), TypeError, "model must be an nn.Module", "len"),
    (lambda: read_gpu_name("  "), ValueError, "name must be a GPU's name", "'  '"),
    (lambda: read_gpu_name(4070), TypeError, "name must be a string", "4070"),
]


@pytest.mark.parametrize(
    ("call", "kind", "allowed", "value"), TABLE, ids=[f"{t[2]} {t[3]}"[:60] for t in TABLE]
)
def test_the_error_names_the_argument_what_is_allowed_and_the_value(call, kind, allowed, value):
    with pytest.raises(kind) as error:
        call()
    text = str(error.value)
    assert allowed in text
    assert value in text.split("but it is")[1]


@pytest.mark.parametrize("epochs", [1, 20])
def test_two_devices_get_torchs_own_error(epochs):
    with pytest.raises(RuntimeError, match="device"):
        train(MLP().to("meta"), SPLIT, epochs=epochs, progress=False)
    with pytest.raises(RuntimeError, match="device"):
        train_and_keep(MLP().to("meta"), SPLIT, epochs=epochs, progress=False)


def published_json():
    return json.loads((PUBLISHED / "rtx4070-laptop.json").read_text(encoding="utf-8"))


def run(top):
    return top["runs"]["gpu-every-epoch"]


def cut(change):
    top = published_json()
    change(top)
    return json.dumps(top)


RUN = "runs.gpu-every-epoch"
SCHEMA = "schema must be 'day37-recording/3', but it is"
# What is wrong → the file's text, the field that is named, and what is said of it.
BROKEN = {
    "empty": ("", "the file: ", "truncated"),
    "truncated": (json.dumps(published_json()).partition("20000")[0], "the file: ", "truncated"),
    "no object": ("[]", "the file: ", "Expected `object`, got `array`"),
    "another schema": (cut(lambda t: t.update(schema="other/9")), SCHEMA, "'other/9'"),
    "a schema of before": (cut(lambda t: t.update(schema="day37-recording/2")), SCHEMA, "/2'"),
    "no schema": (cut(lambda t: t.pop("schema")), SCHEMA, "None"),
    "runs of a wrong type": (cut(lambda t: t.update(runs=[])), "runs: ", "Expected `object`"),
    "no source": (cut(lambda t: t.pop("source")), "source must be present", "None"),
    "no machine": (cut(lambda t: t.pop("machine")), "machine must be present", "None"),
    "a number for text": (cut(lambda t: t["machine"].update(cpu=5)), "machine.cpu: ", "got `int`"),
    "a text for seconds": (
        cut(lambda t: run(t).update(seconds="fast")),
        f"{RUN}.seconds: ",
        "`str`",
    ),
    "negative seconds": (
        cut(lambda t: run(t).update(seconds=-1)),
        f"{RUN}.seconds must be a finite",
        "-1",
    ),
    "no time at all": (
        cut(lambda t: run(t).update(seconds=0)),
        f"{RUN}.seconds must be a finite",
        "0",
    ),
    "no end of seconds": (
        cut(lambda t: run(t).update(seconds=10**400)),
        f"{RUN}.seconds: ",
        "out of range",
    ),
    "half an epoch": (cut(lambda t: run(t).update(epochs=1.5)), f"{RUN}.epochs: ", "got `float`"),
    "true epochs": (cut(lambda t: run(t).update(epochs=True)), f"{RUN}.epochs: ", "got `bool`"),
    "no epochs": (
        cut(lambda t: run(t).update(epochs=0)),
        f"{RUN}.epochs must be a whole number, 1",
        "0",
    ),
    "negative reads": (
        cut(lambda t: run(t).update(reads=-5)),
        f"{RUN}: reads must be a whole",
        "-5",
    ),
    "a list in a table": (
        cut(lambda t: t["tables"]["reads"]["rows"][1].__setitem__(0, [])),
        "tables.reads.rows[1][0]: ",
        "Expected `float | str`, got `array`",
    ),
    "a NaN loss": (
        cut(lambda t: run(t)["losses"].__setitem__(3, float("nan"))),
        "the file: ",
        "malformed",
    ),
    "a loss missing": (
        cut(lambda t: run(t)["losses"].pop()),
        f"{RUN}: losses must be",
        "as epochs_read, 200",
    ),
    "no device": (cut(lambda t: run(t)["origin"].pop("device")), f"{RUN}.origin: ", "`device`"),
    "a run that is a list": (cut(lambda t: t["runs"].update(one=[])), "runs.one: ", "got `array`"),
    "a short row": (
        cut(lambda t: t["tables"]["reads"]["rows"][1].pop()),
        "tables.reads: rows must be lists of 3 cells",
        "(200.0, 100.0)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_recording_names_the_file_and_the_field(tmp_path, case):
    text, field, what = BROKEN[case]
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        load(path)
    assert field in str(error.value) and what in str(error.value)
