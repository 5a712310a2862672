"""What may be wrong with an environment."""

import torch

from day37 import __main__ as commands
from day37.machines import card, doctor


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


def test_the_gpu_checks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(card, "command_output", lambda *_: "")
    assert doctor.check_gpu_and_wheel().fault == ""
    monkeypatch.setattr(card, "command_output", lambda *_: "RTX 4070")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "CUDA build" in doctor.check_gpu_and_wheel().fault
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "driver may be too old" in doctor.check_gpu_and_wheel().fault
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "unset it" in doctor.check_gpu_and_wheel().fault
    monkeypatch.setattr(doctor, "available_devices", lambda: ["cuda:0", "cpu"])
    monkeypatch.setattr(
        doctor, "why_kernels_fail", lambda d: "no kernel image" if d == "cuda:0" else ""
    )
    assert "cuda:0: no kernel image" in doctor.check_kernels().fault


def test_the_other_checks(monkeypatch):
    monkeypatch.setattr(
        doctor,
        "ready_compiler",
        lambda device: ("no g++" if device.type == "cpu" else "no triton", 1.0),
    )
    assert "cpu: no g++; Debian, Ubuntu: apt install g++" in doctor.check_compiler().fault
    monkeypatch.setattr(doctor, "available_devices", lambda: ["cuda:0", "cpu"])
    assert "cuda:0: no triton; pip install triton" in doctor.check_compiler().fault
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
