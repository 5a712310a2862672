"""What may be wrong with an environment."""

import shutil
import tempfile
from types import SimpleNamespace

import pytest
import torch

from day37 import __main__ as commands
from day37.machines import card, doctor

NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
REBOOT = "reboot; if that does not help, reinstall the driver"
UPDATE = "update the driver, or install an older torch"


@pytest.fixture
def cards(monkeypatch):
    """A machine whose accelerators are these, each with why it is not used."""

    def fit(why, driver="580.1"):
        for module in (card, doctor):
            monkeypatch.setattr(module, "listed_devices", lambda: [*why, "cpu"])
            monkeypatch.setattr(module, "why_unusable", lambda device: why.get(device, ""))
        monkeypatch.setattr(doctor, "nvidia_driver", lambda: driver)
        monkeypatch.setattr(card, "nvidia_smi", lambda _: ["RTX 4070"] if driver else [])
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.version, "hip", None)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return fit


@pytest.fixture
def capability(monkeypatch):
    """What torch says of the card and of its own build."""

    def tell(card, *built):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: card)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built))

    return tell


def test_doctor_gives_status_1_where_a_check_fails(monkeypatch, capsys):
    good, bad = doctor.Check("a", "seen"), doctor.Check("b", "seen", "do this")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: good,))
    assert commands.main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "CHECKS", (lambda: good, lambda: bad, lambda: 1 / 0))
    assert commands.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert (
        "OK    a: seen" in text
        and "FAIL  b: seen\n      do this" in text
        and "ZeroDivisionError" in text
    )


def test_a_gpu_that_torch_does_not_see(monkeypatch, cards):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    cards({}, driver="")
    assert doctor.check_gpu_and_wheel().fault == ""
    cards({"cuda:0": ""})
    assert doctor.check_gpu_and_wheel().fault == ""
    cards({"cuda:0": NO_KERNEL})  # a fault of the next check
    assert doctor.check_gpu_and_wheel().fault == ""
    cards({})
    monkeypatch.setattr(torch.version, "cuda", None)
    assert doctor.check_gpu_and_wheel().fault.endswith("for the CPU only: install a CUDA build")
    cards({})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert doctor.check_gpu_and_wheel().fault.endswith(
        "CUDA_VISIBLE_DEVICES hides it ('7'): unset it"
    )


@pytest.mark.parametrize(
    ("why", "fix"),
    [
        ("The NVIDIA driver on your system is too old (found version 11040).", UPDATE),
        ("Found no NVIDIA driver on your system. Please check", REBOOT),
        ("CUDA unknown error - this may be due to an incorrectly set up environment", REBOOT),
        ("something else", None),
    ],
)
def test_a_driver_that_torch_cannot_use(monkeypatch, cards, why, fix):
    cards({})
    monkeypatch.setattr(card, "why_unusable", lambda device: why if device == "cuda" else "")
    said = f"torch's CUDA 13.0 cannot use it: {why}"
    assert doctor.check_gpu_and_wheel().fault.endswith(f"{said}; {fix}" if fix else said)


def test_a_driver_that_does_not_answer_its_own_program(monkeypatch, cards):
    cards({}, driver="")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert "nvidia-smi finds no driver" in doctor.check_gpu_and_wheel().fault
    cards({"cuda:0": ""}, driver="")
    assert doctor.check_gpu_and_wheel().fault == ""


def test_the_gpu_check_says_what_torch_is_built_for(monkeypatch, cards):
    cards({"cuda:0": ""})
    monkeypatch.setattr(torch.version, "hip", "6.4.1")
    assert "torch built for ROCm 6.4" in doctor.check_gpu_and_wheel().seen


CLOSE = "close what uses the card (nvidia-smi lists it), then start Python anew"


@pytest.mark.parametrize(
    ("why", "fix"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 MiB", CLOSE),
        ("CUDA error: out of memory", CLOSE),
        (
            "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "close what has the card to itself (nvidia-smi lists it), or reboot",
        ),
        ("CUDA error: the provided PTX was compiled with an unsupported toolchain.", UPDATE),
        ("CUDA driver version is insufficient for CUDA runtime version", UPDATE),
        ("CUDA error: unknown error", REBOOT),
        ("CUDA driver initialization failed, you might not have a CUDA gpu.", None),
        ("CUDA error: uncorrectable ECC error encountered", REBOOT),
        ("No CUDA GPUs are available", None),
        ("1 + 1 is 3.0 on it", None),
    ],
)
def test_the_fix_fits_what_the_card_says(cards, why, fix):
    cards({"cuda:0": "", "cuda:1": why})
    check = doctor.check_kernels()
    assert check.seen == "cuda:0, cuda:1, cpu"
    assert check.fault == (f"cuda:1: {why}; {fix}" if fix else f"cuda:1: {why}")


def test_devices_that_work_have_no_fault(cards):
    cards({"cuda:0": "", "mps": ""})
    assert doctor.check_kernels().fault == ""


BUILT = ("sm_75", "sm_80", "sm_90a", "compute_120")


@pytest.mark.parametrize(
    ("capability_of_card", "built", "said"),
    [
        (
            (6, 1),
            BUILT,
            "its compute capability is 6.1, this torch is built for 7.5 to 12.0; "
            "the card is older: install an older torch, or its build for an older CUDA",
        ),
        (
            (12, 0),
            ("sm_50", "sm_90"),
            "its compute capability is 12.0, this torch is built for 5.0 to 9.0; "
            "the card is newer: install the newest torch",
        ),
        (
            (8, 7),
            ("sm_120", "sm_75"),
            "its compute capability is 8.7, this torch is built for 7.5 to 12.0; "
            "install a torch that is built for sm_87",
        ),
        ((9, 4), ("gfx90a",), "an older or a newer one"),
        ((9, 4), (), "an older or a newer one"),
    ],
)
@pytest.mark.parametrize(
    "why", [NO_KERNEL, "GTX 1080 with CUDA capability sm_61 is not compatible with the current"]
)
def test_a_card_without_kernels(cards, capability, why, capability_of_card, built, said):
    cards({"cuda:0": why})
    capability(capability_of_card, *built)
    fault = doctor.check_kernels().fault
    assert fault.startswith(f"cuda:0: {why}; ") and fault.endswith(said)


def test_a_card_whose_capability_cannot_be_asked(monkeypatch, cards):
    cards({"cuda:0": NO_KERNEL})
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: 1 / 0)
    assert doctor.check_kernels().fault.endswith("install an older or a newer one")


GXX = "Debian, Ubuntu: apt install g++; macOS: xcode-select --install; Windows: Visual Studio's"
FULL = "/tmp is full: set the environment variable TMPDIR (on Windows TEMP) to another"
NOEXEC = "nothing may be run from /tmp: set the environment variable TMPDIR (on Windows TEMP) to a"
LONG = (
    "OSError: /tmp/day37-ncjc6xq4/wx/cwxhgnz2jlw5bipkbkgt4q4q.main.so: failed to map segment from"
)


@pytest.mark.parametrize(
    ("why", "fix"),
    [
        (
            "InvalidCxxCompiler: No working C++ compiler found in torch._inductor: (None, 'g++')",
            GXX,
        ),
        ("RuntimeError: Compiler: cl is not found.", GXX),
        ("InvalidCxxCompiler", GXX),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cluster.so'", None),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'g++'", GXX),
        ("Failed to find C compiler. Please specify via CC environment variable", GXX),
        ("sh: 1: g++: not found", GXX),
        ("OSError: [Errno 28] No space left on device", FULL),
        (LONG, NOEXEC),
        ("ImportError: /tmp/a.so: cannot map: Operation not permitted", NOEXEC),
        ("PermissionError: [Errno 13] Permission denied: '/tmp/a'", NOEXEC),
        ("fatal error: Python.h: No such file or directory", "Debian, Ubuntu: apt install python3"),
        ("RuntimeError: Cannot find a working triton installation. Either", "pip install triton"),
        ("ModuleNotFoundError: No module named 'triton'", "pip install triton"),
        (
            "GPUTooOldForTriton: Found GTX 1080 which is too old to be supported by the triton",
            "no fix",
        ),
        ("CppCompileError: C++ compile error", None),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/opt/cluster/x'", None),
        ("AssertionError: increase TRITON_MAX_BLOCK", None),
        ("something else", None),
    ],
)
def test_the_fix_fits_what_the_compiler_says(monkeypatch, why, fix):
    monkeypatch.setattr(doctor, "available_devices", lambda: ["cpu"])
    monkeypatch.setattr(doctor, "ready_compiler", lambda _: (why, 1.0))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    monkeypatch.setattr(doctor.sys, "prefix", "/usr")
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    fault = doctor.check_compiler().fault
    assert fault.startswith(f"cpu: {why}; {fix}") if fix else fault == f"cpu: {why}"


@pytest.mark.parametrize(("free", "full"), [(0, True), (150e6, True), (250e6, False)])
def test_a_full_folder_is_found_where_the_compiler_does_not_say_so(monkeypatch, free, full):
    usage = {"/mine": SimpleNamespace(free=free), "/tmp": SimpleNamespace(free=1e9)}
    monkeypatch.setattr(doctor.shutil, "disk_usage", usage.get)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/mine")
    monkeypatch.delenv("TMPDIR", raising=False)
    said = doctor.compiler_fix("CppCompileError: C++ compile error")
    assert said.startswith("/mine is full: set the environment variable TMPDIR") == full
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")  # Python has left it aside
    monkeypatch.setenv("TMPDIR", "/mine")
    said = doctor.compiler_fix("CppCompileError: C++ compile error")
    assert said.startswith("/mine is full: set the environment variable TMPDIR") == full


@pytest.mark.parametrize("broken", [True, False])
def test_a_broken_gpu_may_keep_the_cpus_compiler_from_working(monkeypatch, broken):
    monkeypatch.setattr(doctor, "available_devices", lambda: ["cpu"])
    monkeypatch.setattr(doctor, "listed_devices", lambda: ["cuda:0", "cpu"])
    why = {"cuda:0": "device lost" if broken else "", "cpu": ""}
    monkeypatch.setattr(doctor, "why_unusable", why.get)
    monkeypatch.setattr(doctor, "ready_compiler", lambda _: ("RuntimeError: device lost", 1.0))
    fault = doctor.check_compiler().fault
    hide = "; torch may ask the broken GPU: hide it, set the environment variable CUDA_VISIBLE"
    assert fault.startswith("cpu: RuntimeError: device lost" + hide * broken)
    assert ("CUDA_VISIBLE_DEVICES to -1" in fault) == broken


@pytest.mark.parametrize(("place", "folder"), [("temp", "/my temp"), ("prefix", "/my env")])
def test_a_space_in_a_path_is_named_where_a_compilation_fails(monkeypatch, place, folder):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: folder if place == "temp" else "/tmp")
    monkeypatch.setattr(doctor.sys, "prefix", folder if place == "prefix" else "/usr")
    said = f"a space in '{folder}' may stop the compiler: use a folder without"
    assert doctor.compiler_fix("CppCompileError: C++ compile error") == said
    assert doctor.compiler_fix("something else") == ""
    assert doctor.compiler_fix("No working C++ compiler").startswith(GXX)
    assert doctor.compiler_fix("No such file or directory: 'g++'").startswith(GXX)


@pytest.mark.parametrize(
    ("system", "fix"),
    [
        (
            "Windows",
            "Triton has no Windows wheel on PyPI: use WSL, or try the package triton-windows",
        ),
        ("Darwin", "Triton has no wheel for macOS"),
        ("Linux", "pip install triton"),
    ],
)
def test_triton_is_mended_where_it_can_be(monkeypatch, system, fix):
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    assert doctor.compiler_fix("Cannot find a working triton installation.") == fix
    assert fix in doctor.compiler_fix("triton is not installed")


def test_both_compilers_are_asked_and_one_without_a_folder_is_a_finding(monkeypatch):
    def ready(device):
        if device.type == "cpu":
            raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")
        return "Cannot find a working triton installation", 1.0

    def nowhere():
        raise FileNotFoundError("No usable temporary directory")

    monkeypatch.setattr(doctor, "available_devices", lambda: ["cuda:0", "cpu"])
    monkeypatch.setattr(doctor, "ready_compiler", ready)
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    check = doctor.check_compiler()
    assert check.seen == "cpu in 0 s, cuda:0 in 1 s"
    assert "a folder that can be written to" in check.fault
    assert "cuda:0: Cannot find a working triton installation; " in check.fault


def test_the_other_checks(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 2)
    assert "OMP_NUM_THREADS to 2 or less" in doctor.check_threads().fault
    assert doctor.check_openmp().fault == ""
    runtimes = [{"user_api": "openmp", "prefix": kind} for kind in ("libomp", "libiomp")]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: runtimes)
    assert "one source" in doctor.check_openmp().fault


def test_the_kernel_check(monkeypatch, tmp_path):
    from jupyter_client import kernelspec

    assert doctor.check_kernel_spec().fault == ""
    monkeypatch.setattr(
        kernelspec.KernelSpecManager,
        "get_kernel_spec",
        lambda *_: type("Spec", (), {"argv": ["/other/bin/python"]}),
    )
    assert "ipykernel install" in doctor.check_kernel_spec().fault

    def missing(*_):
        raise kernelspec.NoSuchKernel("python3")

    monkeypatch.setattr(kernelspec.KernelSpecManager, "get_kernel_spec", missing)
    assert "ipykernel install" in doctor.check_kernel_spec().fault
