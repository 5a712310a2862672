import dataclasses

import pytest

from day37 import read_gpu_name

LAPTOP = "laptop chip"
DESKTOP = "desktop chip"
EITHER = "desktop or laptop chip: the name does not tell"
CHIP = {True: LAPTOP, False: DESKTOP, None: EITHER}

# name, series, tier, suffix, chip, architecture
GEFORCE = [
    # From series 30 on a bare name is a desktop card, but these are sold for laptops only.
    ("RTX 3090 Ti", 30, 90, "Ti", DESKTOP, "Ampere"),
    ("RTX 3080", 30, 80, "", DESKTOP, "Ampere"),
    ("RTX 3070 Ti", 30, 70, "Ti", DESKTOP, "Ampere"),
    ("NVIDIA GeForce RTX 3050", 30, 50, "", DESKTOP, "Ampere"),
    ("NVIDIA GeForce RTX 5090", 50, 90, "", DESKTOP, "Blackwell"),
    ("RTX 3050 Ti", 30, 50, "Ti", LAPTOP, "Ampere"),
    ("RTX 4050", 40, 50, "", LAPTOP, "Ada Lovelace"),
    ("NVIDIA GeForce RTX 2050", 20, 50, "", LAPTOP, "Ampere"),
    ("GeForce GTX 1650 Ti", 16, 50, "Ti", LAPTOP, "Turing"),
    ("NVIDIA GeForce RTX 3050 A Laptop GPU", 30, 50, "A", LAPTOP, "Ada Lovelace"),
    ("RTX 3050A", 30, 50, "A", LAPTOP, "Ada Lovelace"),
    # Until series 20 the bare name tells only where no laptop's chip bears it.
    ("GeForce GTX 1650", 16, 50, "", EITHER, "Turing"),
    ("GeForce GTX 1660 Ti", 16, 60, "Ti", EITHER, "Turing"),
    ("GeForce RTX 2060", 20, 60, "", EITHER, "Turing"),
    ("GeForce RTX 2070 SUPER", 20, 70, "SUPER", EITHER, "Turing"),
    ("GeForce RTX 2080 SUPER", 20, 80, "SUPER", EITHER, "Turing"),
    ("GeForce GTX 1050 Ti", 10, 50, "Ti", EITHER, "Pascal"),
    ("GeForce GTX 1060 6GB", 10, 60, "", EITHER, "Pascal"),
    ("GeForce GTX 1080", 10, 80, "", EITHER, "Pascal"),
    ("NVIDIA GeForce GTX 980", 9, 80, "", EITHER, "Maxwell"),
    ("GeForce GTX 1630", 16, 30, "", DESKTOP, "Turing"),
    ("GeForce GTX 1650 SUPER", 16, 50, "SUPER", DESKTOP, "Turing"),
    ("GeForce GTX 1660", 16, 60, "", DESKTOP, "Turing"),
    ("GeForce RTX 2060 SUPER", 20, 60, "SUPER", DESKTOP, "Turing"),
    ("GeForce RTX 2080 Ti", 20, 80, "Ti", DESKTOP, "Turing"),
    ("GeForce GTX 1080 Ti", 10, 80, "Ti", DESKTOP, "Pascal"),
    # A word, or an M at the end, says "laptop".
    ("NVIDIA GeForce RTX 4070 Laptop GPU", 40, 70, "", LAPTOP, "Ada Lovelace"),
    ("NVIDIA GeForce RTX 3050 6GB Laptop GPU", 30, 50, "", LAPTOP, "Ampere"),
    ("NVIDIA GeForce RTX 5070 Ti Laptop GPU", 50, 70, "Ti", LAPTOP, "Blackwell"),
    ("GeForce GTX 1650 with Max-Q Design", 16, 50, "", LAPTOP, "Turing"),
    ("GeForce RTX 2080 Super with Max-Q Design", 20, 80, "SUPER", LAPTOP, "Turing"),
    ("GTX 1060 MaxQ", 10, 60, "", LAPTOP, "Pascal"),
    ("GTX 1050 Mobile", 10, 50, "", LAPTOP, "Pascal"),
    ("GTX 1650 desktop", 16, 50, "", DESKTOP, "Turing"),
    ("NVIDIA GeForce GTX 970M", 9, 70, "M", LAPTOP, "Maxwell"),
    ("GeForce GTX 965M", 9, 65, "M", LAPTOP, "Maxwell"),
    ("GeForce GT 940M", 9, 40, "M", LAPTOP, "Maxwell"),
    ("GeForce 940MX", 9, 40, "MX", LAPTOP, "Maxwell"),
    ("GeForce 940A", 9, 40, "A", EITHER, "Maxwell"),
    ("GeForce 920M", 9, 20, "M", LAPTOP, "Kepler"),
    ("GeForce 920A", 9, 20, "A", EITHER, "unknown"),
    # Older series, and those that have chips of two architectures.
    ("GeForce GT 1030", 10, 30, "", DESKTOP, "Pascal"),
    ("GeForce GTX 980 Ti", 9, 80, "Ti", DESKTOP, "Maxwell"),
    ("GeForce GTX 860M", 8, 60, "M", LAPTOP, "Kepler or Maxwell"),
    ("GeForce GTX 850M", 8, 50, "M", LAPTOP, "Maxwell"),
    ("GeForce GTX 880M", 8, 80, "M", LAPTOP, "Kepler"),
    ("GeForce 820M", 8, 20, "M", LAPTOP, "Fermi or Kepler"),
    ("GeForce GTX 780 Ti", 7, 80, "Ti", DESKTOP, "Kepler"),
    ("GeForce GTX 780", 7, 80, "", DESKTOP, "Kepler"),
    ("GeForce GTX 750 Ti", 7, 50, "Ti", EITHER, "Maxwell"),
    ("GeForce GTX 745", 7, 45, "", DESKTOP, "Maxwell"),
    ("GeForce GT 750M", 7, 50, "M", LAPTOP, "Kepler"),
    ("GeForce GT 710", 7, 10, "", DESKTOP, "Fermi or Kepler"),
    ("GeForce GT 730", 7, 30, "", DESKTOP, "Fermi or Kepler"),
    ("GeForce GTX 680", 6, 80, "", DESKTOP, "Kepler"),
    ("GeForce GTX 675M", 6, 75, "M", LAPTOP, "Fermi"),
    ("GeForce GTX 675MX", 6, 75, "MX", LAPTOP, "Kepler"),
    ("GeForce GT 640", 6, 40, "", DESKTOP, "Fermi or Kepler"),
    ("GeForce GTX 560 Ti", 5, 60, "Ti", DESKTOP, "Fermi"),
    ("GeForce GTX 480", 4, 80, "", DESKTOP, "Fermi"),
    ("GeForce GTS 450", 4, 50, "", DESKTOP, "Fermi"),
    ("GeForce GT 415", 4, 15, "", DESKTOP, "unknown"),
    *((f"GeForce GT {n}M", n // 100, n % 100, "M", LAPTOP, "Kepler") for n in (645, 650, 730, 735)),
    *((f"GeForce GT {n}M", n // 100, n % 100, "M", LAPTOP, "Kepler") for n in (740, 745, 755)),
    *((f"GeForce GT {n}", n // 100, n % 100, "", DESKTOP, "Kepler") for n in (720, 740)),
    *((f"GeForce {n}M", n // 100, n % 100, "M", LAPTOP, "Kepler") for n in (825, 910)),
    *((f"GeForce {n}M", n // 100, n % 100, "M", LAPTOP, "Maxwell") for n in (830, 840, 845)),
    ("GeForce GTX 870M", 8, 70, "M", LAPTOP, "Kepler"),
    ("GeForce GTX 750", 7, 50, "", DESKTOP, "Maxwell"),
    ("GeForce GTX 670M", 6, 70, "M", LAPTOP, "Fermi"),
    ("GeForce 910A", 9, 10, "A", EITHER, "unknown"),
    ("GeForce GTX 1050", 10, 50, "", EITHER, "Pascal"),
    ("GeForce GTX 1070", 10, 70, "", EITHER, "Pascal"),
    ("GeForce RTX 2070", 20, 70, "", EITHER, "Turing"),
    ("GeForce RTX 2080", 20, 80, "", EITHER, "Turing"),
    # As people type them.
    ("RTX 4090 D", 40, 90, "D", DESKTOP, "Ada Lovelace"),
    ("RTX4090D", 40, 90, "D", DESKTOP, "Ada Lovelace"),
    ("NVIDIA GeForce RTX 5090 D v2", 50, 90, "D V2", DESKTOP, "Blackwell"),
    ("英伟达 RTX 4070", 40, 70, "", DESKTOP, "Ada Lovelace"),
    ("RTX 4070 笔记本", 40, 70, "", LAPTOP, "Ada Lovelace"),
    ("RTX4070笔记本电脑", 40, 70, "", LAPTOP, "Ada Lovelace"),
    ("RTX 3080M", 30, 80, "M", LAPTOP, "Ampere"),
    ("GeForce GT 650M / Intel HD Graphics 4000", 6, 50, "M", LAPTOP, "Kepler"),
    ("RTX 3060移动版", 30, 60, "", LAPTOP, "Ampere"),
    ("RTX3060Ti笔电", 30, 60, "Ti", LAPTOP, "Ampere"),
    ("RTX 3060 行動版", 30, 60, "", LAPTOP, "Ampere"),
    ("RTX 3060 筆記型電腦", 30, 60, "", LAPTOP, "Ampere"),
    ("RTX 3060 notebook", 30, 60, "", LAPTOP, "Ampere"),
    ("RTX 2060 桌機", 20, 60, "", DESKTOP, "Turing"),
    ("RTX 2060 桌面版", 20, 60, "", DESKTOP, "Turing"),
    ("RTX4090D显卡", 40, 90, "D", DESKTOP, "Ada Lovelace"),
    ("RTX 3060 筆電", 30, 60, "", LAPTOP, "Ampere"),
    ("RTX 2060 台式机", 20, 60, "", DESKTOP, "Turing"),
    ("RTX4060Laptop", 40, 60, "", LAPTOP, "Ada Lovelace"),
    ("RTX4070TiLaptop", 40, 70, "Ti", LAPTOP, "Ada Lovelace"),
    ("rtx 4070ti super", 40, 70, "Ti SUPER", DESKTOP, "Ada Lovelace"),
    ("rtx4070tisuper", 40, 70, "Ti SUPER", DESKTOP, "Ada Lovelace"),
    ("RTX 2060S", 20, 60, "SUPER", DESKTOP, "Turing"),
    ("RTX 4070TiS", 40, 70, "Ti SUPER", DESKTOP, "Ada Lovelace"),
    ("GeForce RTX 3080Ti", 30, 80, "Ti", DESKTOP, "Ampere"),
    ("rtx-3060", 30, 60, "", DESKTOP, "Ampere"),
    ("ＲＴＸ　４０７０", 40, 70, "", DESKTOP, "Ada Lovelace"),
    ("  RTX\u00a04070\tLaptop  GPU ", 40, 70, "", LAPTOP, "Ada Lovelace"),
    ("NVIDIA® GeForce RTX™ 4070 Laptop GPU", 40, 70, "", LAPTOP, "Ada Lovelace"),
    ("GeForce(R) RTX(TM) 3070", 30, 70, "", DESKTOP, "Ampere"),
    ("NVIDIA GeForce RTX 4090 (Ada Lovelace)", 40, 90, "", DESKTOP, "Ada Lovelace"),
    # As OpenGL, a browser and lspci give them.
    ("NVIDIA GeForce GTX 1650/PCIe/SSE2", 16, 50, "", EITHER, "Turing"),
    ("NVIDIA GeForce RTX 3060 Laptop GPU/PCIe/SSE2", 30, 60, "", LAPTOP, "Ampere"),
    ("ANGLE (NVIDIA, NVIDIA GeForce RTX 4070 (0x00002786))", 40, 70, "", DESKTOP, "Ada Lovelace"),
    (
        "NVIDIA Corporation GA104M [GeForce RTX 3070 Mobile / Max-Q]",
        30,
        70,
        "",
        LAPTOP,
        "Ampere",
    ),
    ("NVIDIA Corporation TU117M [GeForce GTX 1650]", 16, 50, "", LAPTOP, "Turing"),
    ("NVIDIA Corporation GF108 [GeForce GT 730]", 7, 30, "", DESKTOP, "Fermi"),
    ("NVIDIA Corporation GK208B [GeForce GT 730]", 7, 30, "", DESKTOP, "Kepler"),
    ("NVIDIA Corporation AD106M [GeForce RTX 3050]", 30, 50, "", LAPTOP, "Ada Lovelace"),
    ("NVIDIA Corporation GM107M [GeForce GTX 860M]", 8, 60, "M", LAPTOP, "Maxwell"),
]


@pytest.mark.parametrize(("name", "series", "tier", "suffix", "chip", "architecture"), GEFORCE)
def test_a_geforce_name(name, series, tier, suffix, chip, architecture):
    read = read_gpu_name(name)
    assert (read.maker, read.kind) == ("NVIDIA", "GeForce")
    assert (read.series, read.tier, read.suffix) == (series, tier, suffix)
    assert (CHIP[read.laptop], read.architecture) == (chip, architecture)
    shown = "unknown architecture" if architecture == "unknown" else architecture
    assert repr(read).startswith(f"{name}: series {series} ({shown}), tier {tier} (")
    assert repr(read).endswith(f", {suffix}, {chip}" if suffix else f"), {chip}")


# name, kind, chip, architecture
OTHERS = [
    *((f"NVIDIA GeForce MX{n}", "GeForce MX", LAPTOP, "Maxwell") for n in (110, 130)),
    *((f"GeForce MX{n}", "GeForce MX", LAPTOP, "Pascal") for n in (150, 230, 250, 330, 350)),
    *((f"MX{n}", "GeForce MX", LAPTOP, "Turing") for n in (450, 550)),
    ("NVIDIA GeForce MX570", "GeForce MX", LAPTOP, "Ampere"),
    ("NVIDIA GeForce MX570 A", "GeForce MX", LAPTOP, "Ampere"),
    ("GeForce MX999", "GeForce MX", LAPTOP, "unknown"),
    ("NVIDIA TITAN RTX", "TITAN card", DESKTOP, "Turing"),
    ("NVIDIA TITAN V", "TITAN card", DESKTOP, "Volta"),
    ("TITAN Xp", "TITAN card", DESKTOP, "Pascal"),
    ("TITAN X (Pascal)", "TITAN card", DESKTOP, "Pascal"),
    ("TITAN X", "TITAN card", DESKTOP, "Maxwell or Pascal"),
    ("GeForce GTX TITAN X", "TITAN card", DESKTOP, "Maxwell"),
    ("GeForce GTX TITAN Black", "TITAN card", DESKTOP, "Kepler"),
    # Workstation cards: until Turing laptops report the bare name.
    ("Quadro RTX 5000", "workstation card", EITHER, "Turing"),
    ("Quadro RTX 4000", "workstation card", EITHER, "Turing"),
    ("Quadro RTX 5000 with Max-Q Design", "workstation card", LAPTOP, "Turing"),
    ("Quadro P2000", "workstation card", EITHER, "Pascal"),
    ("Quadro GP100", "workstation card", EITHER, "Pascal"),
    ("Quadro GV100", "workstation card", EITHER, "Volta"),
    ("Quadro T1000", "workstation card", EITHER, "Turing"),
    ("NVIDIA T400", "workstation card", EITHER, "Turing"),
    ("NVIDIA T400 4GB", "workstation card", EITHER, "Turing"),
    ("NVIDIA T1000 8GB", "workstation card", EITHER, "Turing"),
    ("NVIDIA T600 Laptop GPU", "workstation card", LAPTOP, "Turing"),
    ("Quadro K620", "workstation card", EITHER, "Maxwell"),
    ("Quadro K4200", "workstation card", EITHER, "Kepler"),
    ("Quadro M4000", "workstation card", EITHER, "Maxwell"),
    ("Quadro M1000M", "workstation card", LAPTOP, "Maxwell"),
    ("Quadro K2100M", "workstation card", LAPTOP, "Kepler"),
    ("Quadro 6000", "workstation card", EITHER, "Fermi"),
    ("Quadro 1000M", "workstation card", LAPTOP, "Fermi"),
    *((f"Quadro {n}", "workstation card", EITHER, "Fermi") for n in (600, 2000, 4000, 5000, 7000)),
    *((f"Quadro {n}M", "workstation card", LAPTOP, "Fermi") for n in (500, 2000, 3000, 4000)),
    *((f"Quadro {n}M", "workstation card", LAPTOP, "Fermi") for n in (5000, 5010)),
    *((f"Quadro K{n}", "workstation card", EITHER, "Maxwell") for n in (1200, 2200)),
    *((f"Quadro K{n}M", "workstation card", LAPTOP, "Maxwell") for n in (620, 2200)),
    *((f"NVIDIA T{n}", "workstation card", EITHER, "Turing") for n in (500, 550, 1200, 2000)),
    *((f"RTX {n} Ada", "workstation card", EITHER, "Ada Lovelace") for n in (1000, 3000, 3500)),
    *((f"RTX PRO {n}", "workstation card", EITHER, "Blackwell") for n in (500, 1000, 3000)),
    ("RTX A3000", "workstation card", EITHER, "Ampere"),
    ("AMD Ryzen 9, Quadro P2000", "workstation card", EITHER, "Pascal"),
    ("Quadro FX 3800", "workstation card", EITHER, "unknown"),
    ("NVIDIA RTX A2000", "workstation card", DESKTOP, "Ampere"),
    ("NVIDIA RTX A2000 12GB", "workstation card", DESKTOP, "Ampere"),
    ("NVIDIA RTX A4000", "workstation card", DESKTOP, "Ampere"),
    ("NVIDIA RTX A6000", "workstation card", DESKTOP, "Ampere"),
    ("Quadro RTX A6000", "workstation card", DESKTOP, "Ampere"),
    ("A6000", "workstation card", DESKTOP, "Ampere"),
    ("NVIDIA RTX A500", "workstation card", EITHER, "Ampere"),
    ("NVIDIA RTX A2000 Laptop GPU", "workstation card", LAPTOP, "Ampere"),
    ("NVIDIA RTX A2000 Embedded GPU", "workstation card", EITHER, "Ampere"),
    ("NVIDIA A800 40GB Active", "workstation card", DESKTOP, "Ampere"),
    ("NVIDIA RTX 2000 Ada Generation", "workstation card", DESKTOP, "Ada Lovelace"),
    ("NVIDIA RTX 4000 SFF Ada Generation", "workstation card", DESKTOP, "Ada Lovelace"),
    ("RTX 4000 Ada", "workstation card", DESKTOP, "Ada Lovelace"),
    ("NVIDIA RTX 5880 Ada Generation", "workstation card", DESKTOP, "Ada Lovelace"),
    ("NVIDIA RTX 6000 Ada Generation", "workstation card", DESKTOP, "Ada Lovelace"),
    ("RTX 500 Ada", "workstation card", EITHER, "Ada Lovelace"),
    ("NVIDIA RTX 2000 Ada Generation Laptop GPU", "workstation card", LAPTOP, "Ada Lovelace"),
    ("RTX 4000", "workstation card", EITHER, "unknown"),
    ("NVIDIA RTX PRO 6000 Blackwell", "workstation card", DESKTOP, "Blackwell"),
    (
        "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        "workstation card",
        DESKTOP,
        "Blackwell",
    ),
    (
        "NVIDIA RTX PRO 2000 Blackwell Generation Laptop GPU",
        "workstation card",
        LAPTOP,
        "Blackwell",
    ),
    ("NVIDIA RTXA6000-48Q", "workstation card", DESKTOP, "Ampere"),
    ("NVIDIA RTX6000-Ada-48Q", "workstation card", DESKTOP, "Ada Lovelace"),
    ("NVIDIA Corporation GA107GLM [RTX A2000 Mobile]", "workstation card", LAPTOP, "Ampere"),
]


@pytest.mark.parametrize(("name", "kind", "chip", "architecture"), OTHERS)
def test_a_name_of_another_family(name, kind, chip, architecture):
    read = read_gpu_name(name)
    assert (read.maker, read.kind) == ("NVIDIA", kind)
    assert (read.series, read.tier, read.suffix) == (None, None, "")
    assert (CHIP[read.laptop], read.architecture) == (chip, architecture)
    shown = "unknown architecture" if architecture == "unknown" else architecture
    assert repr(read) == f"{name}: {kind} ({shown}), {chip}"


DATA_CENTRE = {
    "Kepler": ["Tesla K80", "Tesla K20Xm", "Tesla K40m", "Tesla K10", "GRID K340", "GRID K520"],
    "Maxwell": ["Tesla M60", "Tesla M40 24GB", "Tesla M10", "GRID M60-2Q"],
    "Pascal": ["Tesla P100-PCIE-16GB", "Tesla P40", "Tesla P4", "Tesla P6", "GRID P40-8Q"],
    "Volta": ["Tesla V100-SXM2-16GB", "Tesla V100S-PCIE-32GB", "GRID V100DX-32Q"],
    "Turing": ["Tesla T4", "T4", "GRID T4-16Q", "NVIDIA T4G", "Tesla T10", "Tesla T40 24GB"],
    "Ampere": [
        "NVIDIA A100-SXM4-80GB",
        "A100",
        "英伟达A100",
        "NVIDIA A100 80GB PCIe",
        "NVIDIA A800-SXM4-80GB",
        "NVIDIA A2",
        "NVIDIA A10",
        "NVIDIA A10G",
        "NVIDIA A16",
        "NVIDIA A30",
        "NVIDIA A40",
        "NVIDIA A100-PCIE-40GB MIG 1g.5gb",
        "GRID A100DX-80C",
        "NVIDIA A10-4Q",
        "NVIDIA Corporation GA107GL [A2 / A16] (rev a1)",
    ],
    "Ada Lovelace": [
        "NVIDIA L2",
        "NVIDIA L4",
        "NVIDIA L20",
        "NVIDIA L40",
        "NVIDIA L40S",
        "NVIDIA L40S-48Q",
    ],
    "Hopper": [
        "NVIDIA H100 80GB HBM3",
        "NVIDIA H100 PCIe",
        "NVIDIA H800",
        "NVIDIA H20",
        "h20",
        "NVIDIA H200",
        "NVIDIA GH200 480GB",
        "NVIDIA H100XM-80C",
    ],
    "Blackwell": [
        "NVIDIA B200",
        "NVIDIA GB200",
        "NVIDIA B300 SXM6 AC",
        "NVIDIA B100",
        "NVIDIA GB300",
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    ],
}


@pytest.mark.parametrize(
    ("name", "architecture"),
    [(name, architecture) for architecture, names in DATA_CENTRE.items() for name in names],
)
def test_a_data_centre_name(name, architecture):
    read = read_gpu_name(name)
    assert (read.maker, read.kind, read.architecture) == (
        "NVIDIA",
        "data-centre card",
        architecture,
    )
    assert (read.series, read.tier, read.suffix, read.laptop) == (None, None, "", False)
    says = "no series and tier in this name"
    assert repr(read) == f"{name}: data-centre card ({architecture}), {says}"


MADE_BY = {
    "AMD": [
        "Radeon RX 7900 XTX",
        "AMD Radeon RX 6700M",
        "RX 6700M",
        "Radeon Pro W6800",
        "AMD Instinct MI250",
        "Instinct accelerator",
        "FirePro W9100",
        "超威 显卡",
        "ATI HD 5870",
        "MI300X",
        "AMD Radeon 780M",
        "Radeon(TM) Graphics",
        "AMD A10-7850K",
        "AMD Radeon RX 7900 XTX (radeonsi, navi31, LLVM 17.0.6)",
        "Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX]",
    ],
    "Intel": [
        "Intel(R) Arc(TM) A770 Graphics",
        "Arc A770",
        "Intel(R) Iris(R) Xe Graphics",
        "Iris Xe",
        "Mesa Intel(R) UHD Graphics 620 (KBL GT2)",
        "UHD Graphics 620",
        "英特尔 核显",
        "Data Center GPU Flex 170",
        "Intel Graphics",
        "Intel(R) Data Center GPU Max 1550",
        "Intel Corporation DG2 [Arc A770]",
    ],
    "Apple": [
        "Apple M2 GPU",
        "Apple M4 Max",
        "M3 Max",
        "M1 Pro",
        "M2 Ultra",
        "苹果 M2",
        "ANGLE (Apple, Apple M2 Pro)",
    ],
}


@pytest.mark.parametrize(
    ("name", "maker"), [(name, maker) for maker, names in MADE_BY.items() for name in names]
)
def test_another_makers_name(name, maker):
    read = read_gpu_name(name)
    expected = {"name": name, "maker": maker, "kind": "", "series": None, "tier": None}
    expected |= {"suffix": "", "laptop": None, "architecture": "unknown"}
    assert dataclasses.asdict(read) == expected
    assert repr(read) == f"{name}: made by {maker}; this rule is NVIDIA's"


@pytest.mark.parametrize(
    ("name", "maker", "architecture"),
    [
        ("NVIDIA Graphics Device", "NVIDIA", "unknown"),
        ("英伟达 显卡", "NVIDIA", "unknown"),
        ("輝達 顯示卡", "NVIDIA", "unknown"),
        ("GTX 280", "NVIDIA", "unknown"),
        ("NVIDIA GB10", "NVIDIA", "Blackwell"),
        ("GeForce 8800 GT 512MB", "NVIDIA", "unknown"),
        ("GeForce GTX 280", "NVIDIA", "unknown"),
        ("Tesla M4", "NVIDIA", "unknown"),
        ("RTX 6090", "NVIDIA", "unknown"),
        ("RTX 40 series", "NVIDIA", "unknown"),
        ("P106-100", "unknown", "unknown"),
        ("RTX 4000 Series", "NVIDIA", "unknown"),
        ("RTX 4000系列", "NVIDIA", "unknown"),
        ("昇腾 910B", "unknown", "unknown"),
        ("摩尔线程 MTT S80", "unknown", "unknown"),
        ("Adreno (TM) 740", "unknown", "unknown"),
        ("M4", "unknown", "unknown"),  # Apple's or NVIDIA's
        ("llvmpipe (LLVM 15.0.7, 256 bits)", "unknown", "unknown"),
        ("我的显卡", "unknown", "unknown"),
    ],
)
def test_a_name_that_tells_little(name, maker, architecture):
    read = read_gpu_name(name)
    assert (read.maker, read.kind, read.architecture) == (maker, "", architecture)
    assert (read.series, read.tier, read.suffix, read.laptop) == (None, None, "", None)
    shown = "unknown architecture" if architecture == "unknown" else architecture
    assert repr(read) == f"{name}: no name that this rule knows ({shown})"


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("RTX 4090", "top"),
        ("RTX 4080", "high"),
        ("RTX 4070", "upper middle"),
        ("RTX 4060", "middle"),
        ("GTX 965M", "middle"),
        ("GTX 1650", "entry"),
        ("GT 1030", "entry"),
    ],
)
def test_what_a_tier_means(name, tier):
    assert f"({tier})" in repr(read_gpu_name(name))
