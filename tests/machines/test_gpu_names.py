import pytest

from day37 import read_gpu_name


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
    assert (read.series, read.tier, read.suffix, read.laptop, read.architecture) == (
        series,
        tier,
        suffix,
        laptop,
        architecture,
    )
    assert name in repr(read)
