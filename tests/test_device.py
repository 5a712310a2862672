import re
import sys

import pytest
import torch

from day37 import available_devices, choose_device, device
from day37.device import command_output, synchronize


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine on which torch reports two CUDA GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_the_best_device_comes_first_and_the_cpu_is_always_there(two_gpus):
    assert available_devices()[:2] == ["cuda:0", "cuda:1"]
    assert available_devices()[-1] == "cpu"
    assert choose_device() == torch.device("cuda:0")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "cpu", "cpu:0", "meta", torch.device("cuda:0")])
def test_a_device_that_is_there_can_be_named(two_gpus, name):
    assert choose_device(name) == torch.device(name)


def test_an_absent_second_gpu_is_named_with_what_is_there(two_gpus):
    with pytest.raises(ValueError, match=re.escape("(cuda:0, cuda:1, cpu), but it is 'cuda:2'")):
        choose_device("cuda:2")


def test_a_compiled_in_accelerator_that_is_absent_is_not_offered(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_: torch.device("cuda"))
    assert not any(d.startswith("cuda") for d in available_devices())


@pytest.mark.parametrize(
    ("device", "waits_for"), [("cuda:1", ["cuda:1"]), ("mps", []), ("xpu:0", ["xpu:0"])]
)
def test_synchronize_waits_for_the_device_that_is_named(monkeypatch, device, waits_for):
    waited = []
    module = getattr(torch, device.split(":")[0])
    monkeypatch.setattr(module, "synchronize", lambda *a: waited.append(list(map(str, a))))
    synchronize(device)
    assert waited == [waits_for]
    synchronize("cpu")
    assert len(waited) == 1


def test_a_command_that_fails_has_said_nothing():
    assert command_output(sys.executable, "-c", "print('failed'); raise SystemExit(9)") == ""
    assert command_output(sys.executable, "-c", "print(' fine ')") == "fine"
    assert command_output("no-such-command") == ""


@pytest.mark.parametrize(
    ("system", "answer", "name"),
    [
        (
            "Linux",
            "processor : 0\nmodel name\t: AMD EPYC 7B13\nflags: a\nmodel name\t: other",
            "AMD EPYC 7B13",
        ),
        ("Darwin", "Apple M2 Pro", "Apple M2 Pro"),
        (
            "Windows",
            "HKEY_LOCAL_MACHINE\\HARDWARE\n  ProcessorNameString  REG_SZ  Intel(R) Core(TM) i9",
            "Intel(R) Core(TM) i9",
        ),
        ("Linux", "", "arm64"),
        ("Plan 9", "", "arm64"),
    ],
)
def test_the_processor_is_called_what_the_system_calls_it(monkeypatch, system, answer, name):
    monkeypatch.setattr(device.platform, "system", lambda: system)
    monkeypatch.setattr(device.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(device, "command_output", lambda *_: answer)
    cpu_name = device.cpu_name.__wrapped__  # not what was found before
    assert cpu_name() == name
