import builtins

import pytest
import torch

from day37 import describe_machine
from day37.machines import card


def without(monkeypatch, *missing):
    """Make these packages unimportable."""
    real = builtins.__import__

    def fake(name, *rest):
        if name.split(".")[0] in missing:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fake)


def test_the_card_says_who_counted_the_cores():
    machine = describe_machine()
    assert "source: psutil" in machine.cores
    assert dict(machine.rows())["torch"] == torch.__version__
    assert machine.cpu in repr(machine)
    assert machine._repr_html_().count("<tr>") == len(machine.rows())


def test_showing_a_card_asks_the_machine_nothing(monkeypatch):
    machine = describe_machine()
    monkeypatch.setattr(card, "command_output", lambda *_: pytest.fail("a command was run"))
    assert machine.accelerators in repr(machine)
    assert "accelerators" in machine._repr_html_()


def test_the_card_needs_no_psutil(monkeypatch):
    without(monkeypatch, "psutil")
    machine = describe_machine()
    assert "os.cpu_count" in machine.cores
    assert "GiB" in machine.memory or "unknown" in machine.memory


def test_why_there_is_no_accelerator(monkeypatch):
    monkeypatch.setattr(card, "command_output", lambda *_: "RTX 4070")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "CPU only" in card.why_no_accelerator()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "driver may be too old" in card.why_no_accelerator()
    monkeypatch.setattr(card, "command_output", lambda *_: "")
    assert "no NVIDIA driver" in card.why_no_accelerator()


def test_a_variable_that_hides_the_card_is_named(monkeypatch):
    monkeypatch.setattr(card, "command_output", lambda *_: "RTX 4070")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES hides it" in card.why_no_accelerator()


def test_a_kernel_that_fails_gives_its_reason(monkeypatch):
    assert card.why_kernels_fail("cpu") == ""

    def fail(*_, **__):
        raise RuntimeError(
            "CUDA error: no kernel image is available for execution on the device\nmore lines"
        )

    monkeypatch.setattr(torch, "ones", fail)
    assert (
        card.why_kernels_fail("cuda:0")
        == "CUDA error: no kernel image is available for execution on the device"
    )


def test_an_accelerator_on_which_no_kernel_runs_is_named_with_the_reason(monkeypatch):
    properties = type("Properties", (), {"total_memory": 8 * 2**30})
    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(card, "available_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    monkeypatch.setattr(card, "device_name", lambda _: "RTX 5090")
    monkeypatch.setattr(card, "why_kernels_fail", lambda device: asked.append(device) or "")
    both = "cuda:0: RTX 5090, 8.0 GiB; cuda:1: RTX 5090, 8.0 GiB"
    assert describe_machine().accelerators == both
    assert asked == ["cuda:0"]  # the others stay free for others
    monkeypatch.setattr(card, "why_kernels_fail", lambda _: "no kernel image")
    first, second = describe_machine().accelerators.split("; ")
    assert first == "cuda:0: RTX 5090, 8.0 GiB (no kernel runs on it: no kernel image)"
    assert second == "cuda:1: RTX 5090, 8.0 GiB"
    assert "shared with the CPU" in card.describe_accelerator("mps")
