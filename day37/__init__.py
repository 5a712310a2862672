"""day37: measure a small training on CPU and GPU, and explain where the time goes.

The lessons are in notebooks/. They use the names in `__all__`, spelt `from day37 import ...` and
no other way. The first are imported at once; one in `LATER` is imported from its file when it is
first asked for, so that `import day37` is quick and needs no plotting library.
"""

from importlib import import_module

from day37.callables import Adder, Counter, EarlyStopping
from day37.data import load_iris
from day37.device import available_devices, choose_device
from day37.model import MLP
from day37.timing import Stopwatch, compare, measure, with_threads
from day37.training import accuracy, train, train_and_keep

__version__ = "0.1.0"

LATER = {
    "check": "exercises.checking",
    "count_reads": "experiments.operations",
    "describe_machine": "machines.card",
    "explore": "show.explorers",
    "fit_cost": "experiments.reads",
    "measure_growth": "experiments.growth",
    "measure_phases": "experiments.phases",
    "measure_speedups": "faster.ladder",
    "new_axes": "show.axes",
    "plot": "show.plots",
    "plot_seconds": "show.plots",
    "read_gpu_name": "machines.gpu_names",
    "profile_timeline": "experiments.timeline",
    "progress": "exercises.solved",
    "recorded": "machines.recording",
    "StepQueue": "experiments.step_queue",
    "sweep_reads": "experiments.reads",
    "trace_calls": "experiments.calls",
    "TrainingConsole": "show.console",
}

__all__ = [
    "MLP",
    "Adder",
    "Counter",
    "EarlyStopping",
    "Stopwatch",
    "accuracy",
    "available_devices",
    "choose_device",
    "compare",
    "load_iris",
    "measure",
    "train",
    "train_and_keep",
    "with_threads",
    *LATER,
]


def __getattr__(name: str):
    if name not in LATER:
        raise AttributeError(f"module 'day37' has no attribute {name!r}")
    return getattr(import_module(f"day37.{LATER[name]}"), name)


def __dir__() -> list[str]:
    return __all__
