import builtins
import math
import os
from dataclasses import fields

import psutil
import pytest
import torch

from day37 import describe_machine
from day37.machines import card

GIB = 2**30
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture(autouse=True)
def no_containers(monkeypatch, tmp_path):
    """What this machine's own container, driver and environment say is not asked for."""
    monkeypatch.setattr(card, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(card, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(card, "NVIDIA", tmp_path / "nvidia")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def cards(monkeypatch):
    """A machine whose accelerators are these, each with why it is not used."""

    def fit(**why):
        why = {name.replace("_", ":"): reason for name, reason in why.items()}
        properties = type("Properties", (), {"total_memory": 8 * GIB})
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
        monkeypatch.setattr(card, "listed_devices", lambda: [*why, "cpu"])
        monkeypatch.setattr(card, "why_unusable", lambda name: why.get(name, ""))
        monkeypatch.setattr(card, "device_name", lambda _: "RTX 5090")

    return fit


@pytest.fixture
def smi(monkeypatch):
    """An nvidia-smi that tells these columns, a line for each card."""

    def tell(**columns):
        def answer(program, query, *_):
            told = columns.get(query.removeprefix("--query-gpu="), "")
            return told if program == "nvidia-smi" else ""

        monkeypatch.setattr(card, "command_output", answer)

    return tell


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


@pytest.mark.parametrize("line", [f.name for f in fields(card.MachineCard)][:-1])
@pytest.mark.parametrize("error", [RuntimeError("first\nsecond"), KeyError(), OSError(5, "I/O")])
def test_a_line_that_cannot_be_told_says_so_and_the_others_are_told(monkeypatch, line, error):
    def fail(*_, **__):
        raise error

    place, name = {
        "system": (card.platform, "platform"),
        "cpu": (card, "cpu_name"),
        "cores": (card, "_cores"),
        "threads_of_torch": (torch, "get_num_threads"),
        "memory": (card, "_memory"),
        "accelerators": (card, "listed_devices"),
        "cuda": (card, "built_for"),
        "driver": (card, "nvidia_driver"),
        "python": (card.platform, "python_version"),
    }[line]
    before = describe_machine()
    monkeypatch.setattr(place, name, fail)
    after = describe_machine()
    assert getattr(after, line).startswith("unknown (")
    assert "second" not in getattr(after, line)
    for (what, one), (_, other) in zip(before.rows(), after.rows(), strict=True):
        assert one == other or what.replace(" ", "_") in (line, "driver")


def test_each_line_is_one_line(monkeypatch):
    monkeypatch.setattr(card, "cpu_name", lambda: " A\n  CPU\r\n")
    assert describe_machine().cpu == "A CPU"
    monkeypatch.setattr(card, "cpu_name", lambda: "\n")
    assert describe_machine().cpu == "unknown"
    assert all("\n" not in value for _, value in describe_machine().rows())


@pytest.mark.parametrize("error", [RuntimeError("no /proc"), PermissionError(13, "denied")])
def test_psutil_may_fail_in_any_way(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(psutil, "cpu_count", fail)
    monkeypatch.setattr(psutil, "virtual_memory", fail)
    machine = describe_machine()
    start = f"{os.cpu_count()} logical (source: os.cpu_count; psutil fails: {error}); this process"
    assert machine.cores.startswith(start)
    assert "GiB" in machine.memory or "unknown" in machine.memory


def test_a_system_that_tells_no_memory_has_an_unknown_one(monkeypatch):
    without(monkeypatch, "psutil")
    monkeypatch.setattr(os, "sysconf_names", {}, raising=False)
    assert describe_machine().memory == "unknown (psutil does not tell)"


@pytest.mark.parametrize(
    ("built", "cudnn", "line"),
    [
        (("13.0", None), 92400, "torch built for CUDA 13.0, cuDNN 92400"),
        ((None, None), None, "torch built for CUDA (none), cuDNN none"),
        ((None, "6.4.43484-123eb5128"), 3004000, "torch built for ROCm 6.4, MIOpen 3004000"),
        (
            ("13.0", None),
            RuntimeError("cuDNN version incompatibility: 9.1\nmore"),
            "torch built for CUDA 13.0, cuDNN unknown (cuDNN version incompatibility: 9.1)",
        ),
    ],
)
@pytest.mark.parametrize("gpu", [True, False])
def test_what_torch_isbuilt_for(monkeypatch, gpu, built, cudnn, line):
    def version():
        if isinstance(cudnn, Exception):
            raise cudnn
        return cudnn

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.backends.cudnn, "version", version)
    monkeypatch.setattr(torch.version, "cuda", built[0])
    monkeypatch.setattr(torch.version, "hip", built[1])
    assert describe_machine().cuda == line


UNSEEN = "an AMD GPU it could not see, being built without ROCm"


@pytest.mark.parametrize(
    ("names", "built", "why"),
    [
        ("", {}, f"no NVIDIA driver answers, and torch finds no Apple or Intel GPU; {UNSEEN}"),
        (
            "",
            {"cuda": None},
            f"no NVIDIA driver answers, and torch finds no Apple or Intel GPU; {UNSEEN}",
        ),
        (
            "RTX 4070",
            {"cuda": None},
            "RTX 4070 is fitted, but this torch is built for the CPU only: install a CUDA build",
        ),
        (
            "RTX 4070",
            {"cuda": None, "xpu": "20250101"},
            "RTX 4070 is fitted, but this torch is built for Intel GPUs: install a CUDA build",
        ),
        (
            "",
            {"cuda": None, "hip": "6.4.43484-123"},
            "this torch is built for AMD's ROCm 6.4; no AMD GPU answers",
        ),
        (
            "RTX 4070",
            {"cuda": None, "hip": "7.0.1"},
            "RTX 4070 is fitted, but this torch is built for AMD's ROCm 7.0: install a CUDA build",
        ),
        (
            "RTX 4070\nRTX 4070",
            {},
            "RTX 4070; RTX 4070 is fitted, but torch's CUDA 13.0 cannot use it: driver too old",
        ),
    ],
)
def test_why_there_is_no_accelerator(monkeypatch, smi, names, built, why):
    smi(name=names)
    for kind in ("cuda", "hip", "xpu"):
        told = {"cuda": "13.0"} | built
        monkeypatch.setattr(torch.version, kind, told.get(kind), raising=False)
    monkeypatch.setattr(card, "listed_devices", lambda: ["cpu"])
    monkeypatch.setattr(
        card, "why_unusable", lambda device: "driver too old" if device == "cuda" else ""
    )
    assert card.why_no_accelerator() == why
    assert describe_machine().accelerators == f"none: {why}"


HERE = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"


@pytest.mark.parametrize(
    "value", ["", "-1", "2", "NoDevFiles", "GPU-77", "GPU", "0,0", "none", ","]
)
def test_a_variable_that_hides_the_card_is_named(monkeypatch, smi, value):
    smi(name="RTX 4070\nRTX 4070", uuid=f"GPU-1\n{HERE}")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(card, "listed_devices", lambda: ["cpu"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    said = f"CUDA_VISIBLE_DEVICES hides it ({value!r}): unset it"
    assert said in card.why_no_accelerator()
    assert said in describe_machine().accelerators


@pytest.mark.parametrize("value", [None, "0", "1", " 1,0", HERE, HERE[:9], "MIG-1", "1,7"])
def test_a_variable_that_shows_a_card_is_not_blamed(monkeypatch, smi, value):
    smi(name="RTX 4070\nRTX 4070", uuid=f"GPU-1\n{HERE}")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(card, "listed_devices", lambda: ["cpu"])
    monkeypatch.setattr(card, "why_unusable", lambda d: "too old" if d == "cuda" else "")
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert card.why_no_accelerator().endswith("torch's CUDA 13.0 cannot use it: too old")


def test_a_card_that_works_and_is_not_listed_is_said_so(monkeypatch, smi):
    smi(name="RTX 4070")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(card, "listed_devices", lambda: ["cpu"])
    monkeypatch.setattr(card, "why_unusable", lambda _: "")
    assert card.why_no_accelerator().endswith("cannot use it: it lists no device")


def test_an_accelerator_that_is_passed_over_is_named_with_the_reason(cards, monkeypatch):
    cards(cuda_0="", cuda_1="")
    both = "cuda:0: RTX 5090, 8.0 GiB; cuda:1: RTX 5090, 8.0 GiB"
    assert describe_machine().accelerators == both
    cards(cuda_0=NO_KERNEL, cuda_1="", cuda_2="CUDA out of memory")
    first, second, third = describe_machine().accelerators.split("; ")
    assert first == f"cuda:0: RTX 5090, 8.0 GiB (not used: {NO_KERNEL})"
    assert second == "cuda:1: RTX 5090, 8.0 GiB"
    assert third == "cuda:2: RTX 5090, 8.0 GiB (not used: CUDA out of memory)"
    reasons = f"cuda:0 fails: {NO_KERNEL}; cuda:2 fails: CUDA out of memory"
    assert card.why_no_accelerator() == reasons
    assert "shared with the CPU" in card.describe_accelerator("mps")


def test_a_card_that_tells_no_name_is_listed_all_the_same(cards, monkeypatch):
    cards(cuda_0="driver gone", cuda_1="")

    def gone(_):
        raise RuntimeError("CUDA unknown error\nmore")

    monkeypatch.setattr(torch.cuda, "get_device_properties", gone)
    unknown = "unknown (CUDA unknown error)"
    said = f"cuda:0: {unknown} (not used: driver gone); cuda:1: {unknown}"
    assert describe_machine().accelerators == said


OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (a@b)"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023"


@pytest.mark.parametrize(
    ("versions", "file", "hip", "gpu", "line"),
    [
        ("580.1\n580.1", "", None, True, "580.1"),
        ("580.1\n570.2", "", None, True, "580.1, 570.2"),
        ("", OPEN, None, True, "580.65.06"),
        ("", CLOSED, None, False, "535.129.03"),
        ("", "", None, True, "of an unknown version: nvidia-smi does not answer"),
        ("", "", None, False, "no NVIDIA driver found"),
        ("", "", "6.4.1", True, "AMD's"),
    ],
)
def test_the_driver(monkeypatch, tmp_path, cards, smi, versions, file, hip, gpu, line):
    cards(**({"cuda_0": ""} if gpu else {}))
    smi(driver_version=versions)
    (tmp_path / "nvidia").write_text(file + "\nGCC version:  gcc 12.3.0 \n")
    monkeypatch.setattr(torch.version, "hip", hip)
    assert describe_machine().driver == line


def container(tmp_path, own="0::/", **files):
    """Make a cgroup's files, whose names are written with __ for /."""
    (tmp_path / "own").write_text(own + "\n")
    for name, text in files.items():
        path = tmp_path / "cgroup" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


V1_CPU = "cpu__docker__a__cpu.cfs_"


@pytest.mark.parametrize(
    ("own", "files", "limit", "cpus"),
    [
        ("", {}, math.inf, 64),
        ("0::/", {"cpu.max": "max 100000"}, math.inf, 64),
        ("0::/", {"cpu.max": "50000 100000"}, 0.5, 1),
        ("0::/", {"cpu.max": "1 100000"}, 1e-5, 1),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5, 2),
        ("0::/", {"cpu.max": "200000 100000"}, 2.0, 2),
        ("0::/", {"cpu.max": "9900000 100000"}, 99.0, 64),
        ("0::/", {"cpu.max": "nonsense"}, math.inf, 64),
        ("0::/", {"cpu.max": "100000 0"}, math.inf, 64),
        ("0::/a/b", {"a__b__cpu.max": "300000 100000"}, 3.0, 3),
        # A limit above holds for all below it.
        ("0::/a/b", {"a__cpu.max": "200000 100000", "a__b__cpu.max": "max 100000"}, 2.0, 2),
        ("0::/a", {"cpu.max": "100000 100000", "a__cpu.max": "400000 100000"}, 1.0, 1),
        ("0::/a", {"other__cpu.max": "100000 100000"}, math.inf, 64),
        # Version 1, by the process's own path; where that path is the host's, by the root.
        (
            "4:memory:/x\n3:cpu,cpuacct:/docker/a\n0::/",
            {f"{V1_CPU}quota_us": "250000", f"{V1_CPU}period_us": "100000"},
            2.5,
            3,
        ),
        (
            "3:cpu,cpuacct:/docker/host",
            {"cpu__cpu.cfs_quota_us": "50000", "cpu__cpu.cfs_period_us": "100000"},
            0.5,
            1,
        ),
        ("3:cpu:/", {"cpu__cpu.cfs_quota_us": "-1", "cpu__cpu.cfs_period_us": "1"}, math.inf, 64),
        (
            "3:cpuset:/a",
            {"cpu__a__cpu.cfs_quota_us": "5", "cpu__a__cpu.cfs_period_us": "5"},
            math.inf,
            64,
        ),
        ("", {"cpu.max": "200000 100000"}, 2.0, 2),
        ("", {"cpu__cpu.cfs_quota_us": "5", "cpu__cpu.cfs_period_us": "5"}, 1.0, 1),
        ("nonsense\n0::/a:b", {"a:b__cpu.max": "100000 100000"}, 1.0, 1),
    ],
)
def test_a_container_with_fewer_cpus(monkeypatch, tmp_path, own, files, limit, cpus):
    container(tmp_path, own, **files)
    monkeypatch.setattr(card, "allowed_cpus", lambda: 64)
    assert card.cpu_limit() == limit
    assert card.usable_cpus() == cpus
    words = f", container's limit {limit:.3g} CPUs" if limit < math.inf else ""
    assert describe_machine().cores.endswith(f"; this process may run on 64{words}")


def test_the_words_of_half_a_cpu(monkeypatch, tmp_path):
    container(tmp_path, **{"cpu.max": "50000 100000"})
    monkeypatch.setattr(card, "allowed_cpus", lambda: 64)
    assert "may run on 64, container's limit 0.5 CPUs" in describe_machine().cores


def test_the_cpus_that_python_may_run_on(monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert (card.allowed_cpus(), card.usable_cpus()) == (3, 3)
    monkeypatch.setattr(os, "process_cpu_count", lambda: None)
    assert card.allowed_cpus() == 1
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert card.allowed_cpus() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert card.allowed_cpus() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert card.allowed_cpus() == 1


@pytest.mark.parametrize(
    ("own", "files", "words"),
    [
        ("0::/", {}, "16.0 GiB"),
        ("0::/", {"memory.max": "max"}, "16.0 GiB"),
        ("0::/", {"memory.max": str(2 * GIB)}, "16.0 GiB, container's limit 2.0 GiB"),
        ("0::/a", {"memory.max": "max", "a__memory.max": str(GIB // 2)}, "limit 0.5 GiB"),
        ("0::/", {"memory.max": str(64 * GIB)}, "16.0 GiB"),
        ("5:memory:/a", {"memory__a__memory.limit_in_bytes": str(3 * GIB)}, "limit 3.0 GiB"),
        ("5:memory:/h", {"memory__memory.limit_in_bytes": "9223372036854771712"}, "16.0 GiB"),
    ],
)
def test_a_container_with_less_memory(monkeypatch, tmp_path, own, files, words):
    container(tmp_path, own, **files)
    memory = type("Memory", (), {"total": 16 * GIB})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    said = describe_machine().memory
    assert said == words or (words.startswith("limit") and said == f"16.0 GiB, container's {words}")
