import builtins
import re
import sys

import pytest
import torch

from day37 import choose_device, describe_machine, hardware, read_gpu_name, synchronize


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine on which torch reports two CUDA GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def without(monkeypatch, *missing):
    """Make these packages unimportable."""
    real = builtins.__import__

    def fake(name, *rest):
        if name.split(".")[0] in missing:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fake)


def test_the_best_device_comes_first_and_the_cpu_is_always_there(two_gpus):
    assert hardware.available_devices()[:2] == ["cuda:0", "cuda:1"]
    assert hardware.available_devices()[-1] == "cpu"
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
    assert not any(d.startswith("cuda") for d in hardware.available_devices())


@pytest.mark.parametrize(("device", "waits_for"), [("cuda:1", ["cuda:1"]), ("mps", []), ("xpu:0", ["xpu:0"])])
def test_synchronize_waits_for_the_device_that_is_named(monkeypatch, device, waits_for):
    waited = []
    module = getattr(torch, device.split(":")[0])
    monkeypatch.setattr(module, "synchronize", lambda *a: waited.append(list(map(str, a))))
    synchronize(device)
    assert waited == [waits_for]
    synchronize("cpu")
    assert len(waited) == 1


def test_the_card_says_who_counted_the_cores():
    machine = describe_machine()
    assert "source: psutil" in machine.cores
    assert dict(machine.rows())["torch"] == torch.__version__
    assert machine.cpu in repr(machine)
    assert machine._repr_html_().count("<tr>") == len(machine.rows())


def test_showing_a_card_asks_the_machine_nothing(monkeypatch):
    machine = describe_machine()
    monkeypatch.setattr(hardware, "command_output", lambda *_: pytest.fail("a command was run"))
    assert machine.accelerators in repr(machine)
    assert "accelerators" in machine._repr_html_()


def test_the_card_needs_no_psutil(monkeypatch):
    without(monkeypatch, "psutil")
    machine = describe_machine()
    assert "os.cpu_count" in machine.cores
    assert "GiB" in machine.memory or "unknown" in machine.memory


def test_why_there_is_no_accelerator(monkeypatch):
    monkeypatch.setattr(hardware, "command_output", lambda *_: "RTX 4070")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "CPU only" in hardware.why_no_accelerator()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "driver may be too old" in hardware.why_no_accelerator()
    monkeypatch.setattr(hardware, "command_output", lambda *_: "")
    assert "no NVIDIA driver" in hardware.why_no_accelerator()


def test_a_variable_that_hides_the_card_is_named(monkeypatch):
    monkeypatch.setattr(hardware, "command_output", lambda *_: "RTX 4070")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES hides it" in hardware.why_no_accelerator()


def test_a_command_that_fails_has_said_nothing():
    assert hardware.command_output(sys.executable, "-c", "print('failed'); raise SystemExit(9)") == ""
    assert hardware.command_output(sys.executable, "-c", "print(' fine ')") == "fine"
    assert hardware.command_output("no-such-command") == ""


def test_a_kernel_that_fails_gives_its_reason(monkeypatch):
    assert hardware.why_kernels_fail("cpu") == ""

    def fail(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore lines")

    monkeypatch.setattr(torch, "ones", fail)
    assert hardware.why_kernels_fail("cuda:0") == "CUDA error: no kernel image is available for execution on the device"


@pytest.mark.parametrize(
    ("name", "series", "tier", "suffix", "laptop", "architecture"),
    [
        ("RTX 3090 Ti", 30, 90, "Ti", False, "Ampere"),
        ("RTX 3080", 30, 80, "", False, "Ampere"),
        ("RTX 3070 Ti", 30, 70, "Ti", False, "Ampere"),
        ("NVIDIA GeForce RTX 4070 Laptop GPU", 40, 70, "", True, "Ada Lovelace"),
        ("rtx 4070ti super", 40, 70, "Ti SUPER", False, "Ada Lovelace"),
        ("GeForce GTX 1650 with Max-Q Design", 16, 50, "", True, "Turing"),
        ("NVIDIA GeForce RTX 2050", 20, 50, "", False, "Ampere"),
        ("NVIDIA GeForce RTX 5090", 50, 90, "", False, "Blackwell"),
        ("NVIDIA GeForce GTX 980", 9, 80, "", False, "Maxwell"),
        ("NVIDIA A100-SXM4-80GB", None, None, "", False, "Ampere"),
        ("NVIDIA H100 80GB HBM3", None, None, "", False, "Hopper"),
        ("Quadro RTX 5000", None, None, "", False, "unknown"),
        ("Radeon RX 7900 XTX", None, None, "", False, "unknown"),
    ],
)
def test_reading_a_gpu_name(name, series, tier, suffix, laptop, architecture):
    read = read_gpu_name(name)
    assert (read.series, read.tier, read.suffix, read.laptop, read.architecture) == (series, tier, suffix, laptop, architecture)
    assert name in repr(read)
