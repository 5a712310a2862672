"""day37: measure a small training on CPU and GPU, and explain where the time goes. The lessons are in notebooks/."""

from day37.callables import Adder, Counter, EarlyStopping, trace_calls
from day37.data import IrisSplit, load_iris
from day37.gpu_names import read_gpu_name
from day37.hardware import available_devices, choose_device, describe_machine, synchronize
from day37.model import MLP, count_parameters
from day37.timing import Stopwatch, compare, judge, measure, measure_in_turn
from day37.training import TrainingRun, accuracy, train

__version__ = "0.1.0"
