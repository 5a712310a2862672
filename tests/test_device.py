import os
import re
import subprocess
import sys
import weakref

import pytest
import torch

from day37 import available_devices, choose_device, device
from day37.device import command_output, listed_devices, synchronize, why_unusable

ACCELERATOR_ERROR = getattr(torch, "AcceleratorError", RuntimeError)  # of newer torch
ONES = torch.ones
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture
def cards(monkeypatch):
    """A machine whose CUDA GPUs answer as told: None works, an error is raised, a float is read.

    It gives back the devices that were tried, in turn.
    """

    def fit(*answers):
        tried = []

        def ones(size, *, device, **rest):
            where = torch.device(device)
            tried.append(str(device))
            answer = answers[where.index or 0] if where.type == "cuda" else None
            if isinstance(answer, BaseException):
                raise answer
            return ONES(size, **rest) if answer is None else torch.tensor([answer])

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(answers))
        monkeypatch.setattr(torch, "ones", ones)
        why_unusable.cache_clear()
        return tried

    yield fit
    why_unusable.cache_clear()


def test_the_best_device_comes_first_and_the_cpu_is_always_there(cards):
    cards(None, None)
    assert available_devices() == ["cuda:0", "cuda:1", "cpu"]
    assert choose_device() == torch.device("cuda:0")


def test_each_kind_is_listed_and_the_cpu_last(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    assert listed_devices() == ["cuda:0", "mps", "xpu:0", "xpu:1", "cpu"]


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "cpu", "cpu:0", "meta", torch.device("cuda:0")])
def test_a_device_that_is_there_can_be_named(cards, name):
    cards(None, None)
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda:2", "cuda:10", "cuda:", "mps", "mps:0", "cpu:1", "xpu", ""])
def test_an_absent_device_is_named_with_what_is_there(cards, name):
    cards(None, None)
    with pytest.raises(ValueError, match=re.escape(f"(cuda:0, cuda:1, cpu), but it is '{name}'")):
        choose_device(name)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ACCELERATOR_ERROR(NO_KERNEL + "\nCUDA kernel errors might be"), NO_KERNEL),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "CUDA out of memory. Tried"),
        (RuntimeError("\n\n  Found no NVIDIA driver  "), "Found no NVIDIA driver"),
        (AssertionError("Torch not compiled with CUDA"), "Torch not compiled with CUDA"),
        (NotImplementedError(), "NotImplementedError"),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
        (ValueError("x" * 1000), "x" * 150),
        (3.0, "1 + 1 is 3.0 on it"),
    ],
)
def test_a_device_that_torch_lists_works_only_if_a_kernel_runs_on_it(cards, answer, why):
    tried = cards(answer, None)
    assert available_devices() == ["cuda:1", "cpu"]
    assert choose_device() == torch.device("cuda:1")
    assert why_unusable("cuda:0") == why
    for name in ("cuda:0", "cuda", torch.device("cuda:0")):
        with pytest.raises(ValueError, match=re.escape(f"(cuda:0 fails: {why}, cuda:1, cpu), but")):
            choose_device(name)
    assert tried == ["cuda:0", "cuda:1", "cpu"]  # once a session


def test_where_no_accelerator_works_the_cpu_is_chosen(cards):
    cards(RuntimeError("a"), RuntimeError("b"))
    assert available_devices() == ["cpu"]
    assert choose_device() == torch.device("cpu")


def test_only_the_device_that_is_wanted_is_tried(cards):
    tried = cards(None, None, None)
    choose_device("cpu")
    choose_device("meta")
    assert "cuda:0" not in tried
    choose_device("cuda:1")
    assert "cuda:0" not in tried
    choose_device()
    assert "cuda:2" not in tried


@pytest.mark.parametrize("works", [True, False])
def test_a_device_that_was_tried_keeps_no_memory(monkeypatch, works):
    held = []
    freed = []

    def ones(size, **_):
        x = ONES(size)
        held.append(weakref.ref(x))
        if not works:
            raise RuntimeError("CUDA out of memory")
        return x

    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append([x() for x in held]))
    assert (why_unusable.__wrapped__("cuda:3") == "") == works
    if works:
        assert freed == [[None]]  # the tensor was gone when torch's cache was emptied
    assert len(freed) == 1
    assert why_unusable.__wrapped__("cuda:3") or works


def test_a_kernel_that_fails_when_its_result_is_read_has_failed(monkeypatch):
    class Queued(torch.Tensor):
        def item(self):
            raise ACCELERATOR_ERROR("CUDA error: unspecified launch failure")

    queued = torch.ones(2).as_subclass(Queued)
    monkeypatch.setattr(torch, "ones", lambda *_, **__: queued)
    failure = "CUDA error: unspecified launch failure"
    assert why_unusable.__wrapped__("cuda:0") == failure


def test_a_cache_that_cannot_be_emptied_breaks_nothing(monkeypatch):
    monkeypatch.setattr(torch, "ones", lambda size, **_: ONES(size))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: 1 / 0)
    assert why_unusable.__wrapped__("cuda:0") == ""


def test_a_default_dtype_that_a_card_lacks_is_not_asked_of_it():
    torch.set_default_dtype(torch.float64)
    try:
        seen = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "ones", lambda n, **rest: seen.append(rest["dtype"]) or ONES(n))
            assert why_unusable.__wrapped__("mps") == ""
    finally:
        torch.set_default_dtype(torch.float32)
    assert seen == [torch.float32]


def test_an_import_asks_no_card():
    code = """
import torch
def asked(*_, **__): raise SystemExit("a card was asked")
for name in ("is_available", "device_count", "_lazy_init", "init", "get_device_properties"):
    setattr(torch.cuda, name, asked)
torch.ones = asked
import day37
print("done")
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "done", done.stderr


def test_a_compiled_in_accelerator_that_is_absent_is_not_offered(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_: torch.device("cuda"))
    assert torch.cuda.device_count() or not any(d.startswith("cuda") for d in available_devices())


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
    assert command_output("") == ""
    odd = "import sys; sys.stdout.buffer.write(bytes([65, 255, 66]))"
    assert command_output(sys.executable, "-c", odd).startswith("A")  # whatever the encoding


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
            "HKEY_LOCAL_MACHINE\\HARDWARE\n  Identifier  REG_SZ  Intel64 Family\n"
            "  ProcessorNameString  REG_SZ  Intel(R) Core(TM) i9\n  VendorIdentifier  REG_SZ  In",
            "Intel(R) Core(TM) i9",
        ),
        ("Linux", "", "arm64"),
        ("Linux", "model name\t: \nflags: fpu", "arm64"),  # a name without letters is none
        (
            "Linux",
            "Model:  1\nmodel name:\n  Model name:  Neoverse-N1\nmodel.name: ARM",
            "Neoverse-N1",
        ),
        ("Linux", "BIOS model.name:  Ampere(R)\nModel name:  Neoverse-N1", "Neoverse-N1"),
        ("Linux", "model name:\nModel name:   -\nmodel.name:   Apple", "Apple"),
        ("Linux", "Model Name\t\t: Loongson-3A5000", "Loongson-3A5000"),
        ("Windows", "  ProcessorNameString  REG_SZ   ", "arm64"),
        ("Darwin", "", "arm64"),
        ("Plan 9", "", "arm64"),
    ],
)
def test_the_processor_is_called_what_the_system_calls_it(monkeypatch, system, answer, name):
    monkeypatch.setattr(device.platform, "system", lambda: system)
    monkeypatch.setattr(device.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(device, "command_output", lambda *_: answer)
    cpu_name = device.cpu_name.__wrapped__  # not what was found before
    assert cpu_name() == name


def test_a_processor_without_any_name_is_not_called_by_the_empty_string(monkeypatch):
    monkeypatch.setattr(device.platform, "system", lambda: "Linux")
    monkeypatch.setattr(device.platform, "machine", lambda: "")
    monkeypatch.setattr(device, "command_output", lambda *_: "")
    assert device.cpu_name.__wrapped__() == "a nameless processor"


LSCPU_OF_A_PI = """Architecture: aarch64
Vendor ID: ARM
  Model name: Cortex-A72
  Model: 3"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks a Linux shell")
@pytest.mark.parametrize(
    ("cpuinfo", "lscpu", "tree", "name"),
    [
        ("model name : AMD EPYC", "Model name: other", "a board", "AMD EPYC"),
        ("processor : 0\nBogoMIPS : 108.00\nModel : Raspberry", LSCPU_OF_A_PI, None, "Cortex-A72"),
        ("processor : 0", LSCPU_OF_A_PI, "Raspberry Pi 4 Model B\0", "Raspberry Pi 4 Model B"),
        ("processor : 0", "Vendor ID: Apple\n  Model name: -", None, "Apple"),
        ("CPU implementer : 0x41", None, None, "aarch64"),
        (None, None, None, "aarch64"),
    ],
)
def test_a_processor_without_a_name_in_cpuinfo(monkeypatch, tmp_path, cpuinfo, lscpu, tree, name):
    """Real shells, with a `cat` and an `lscpu` of their own."""
    files = {"/proc/cpuinfo": cpuinfo, "/proc/device-tree/model": tree, "lscpu": lscpu}
    for i, text in enumerate(files.values()):
        (tmp_path / str(i)).write_text(f"{text or ''}\n")
    real = "/usr/bin:/bin"
    cat = "".join(
        f'[ "$1" = {path} ] && PATH={real} exec cat {tmp_path}/{i}\n'
        for i, path in enumerate(files)
        if files[path] is not None
    )
    (tmp_path / "cat").write_text(f"#!/bin/sh\n{cat}exit 1\n")
    (tmp_path / "lscpu").write_text(
        f"#!/bin/sh\n[ $LC_ALL = C ] && {'true' if lscpu else 'false'} || exit 127\n"
        f"PATH={real} exec cat {tmp_path}/2\n"
    )
    for program in ("cat", "lscpu"):
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{real}")
    monkeypatch.setattr(device.platform, "machine", lambda: "aarch64")
    assert device.cpu_name.__wrapped__() == name
