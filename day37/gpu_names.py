"""Reading a GPU's name: what it tells, and what it does not."""

import re
from dataclasses import dataclass

from day37.arguments import require


@dataclass(frozen=True)
class GPUName:
    """A GPU's name taken apart. What a name does not tell is None, "" or "unknown"."""

    name: str
    series: int | None
    tier: int | None
    suffix: str
    laptop: bool
    architecture: str

    def __repr__(self) -> str:
        if self.series is None:
            return f"{self.name}: no series and tier in this name (architecture: {self.architecture})"
        parts = [f"series {self.series} ({self.architecture})", f"tier {self.tier} ({TIERS.get(self.tier, 'unknown')})"]
        parts += [self.suffix] if self.suffix else []
        return f"{self.name}: " + ", ".join([*parts, "laptop chip" if self.laptop else "desktop chip"])


# Series and data-centre names: NVIDIA's product pages. A GTX 16 is Turing without ray-tracing units.
SERIES = {9: "Maxwell", 10: "Pascal", 16: "Turing", 20: "Turing", 30: "Ampere", 40: "Ada Lovelace", 50: "Blackwell"}
TIERS = {90: "top", 80: "high", 70: "upper middle", 60: "middle", 50: "entry", 30: "entry"}
DATA_CENTRE = {"V100": "Volta", "T4": "Turing", "A100": "Ampere", "A10": "Ampere", "A30": "Ampere", "A40": "Ampere"}
DATA_CENTRE |= {"L4": "Ada Lovelace", "L40": "Ada Lovelace", "L40S": "Ada Lovelace", "H100": "Hopper", "H200": "Hopper"}
DATA_CENTRE |= {"GH200": "Hopper", "B100": "Blackwell", "B200": "Blackwell", "GB200": "Blackwell", "P100": "Pascal"}
# One number, two chips: (CUDA cores, memory in GB, power in W) by NVIDIA's specifications.
TWO_4070 = {"GeForce RTX 4070": (5888, 12, "200"), "GeForce RTX 4070 Laptop GPU": (4608, 8, "35 to 115")}


def read_gpu_name(name: str) -> GPUName:
    """Series, tier, suffix and laptop of a GeForce name; of a data-centre name its architecture alone.

    TypeError if `name` is not a string, ValueError if it is empty.
    """
    require(isinstance(name, str), "name", name, "a string", TypeError)
    require(bool(name.strip()), "name", name, "a GPU's name, such as 'RTX 4070 Laptop GPU'")
    form = r"\b(?:RTX|GTX)\s*(9|10|16|20|30|40|50)([1-9]0)\s*(Ti\b)?\s*(SUPER\b)?(.*)"
    found = re.search(form, name, re.IGNORECASE)
    if not found:
        words = re.split(r"[\s\-_/]+", name.upper())
        return GPUName(name, None, None, "", False, next((DATA_CENTRE[w] for w in words if w in DATA_CENTRE), "unknown"))
    series, suffix = int(found[1]), " ".join(s for s, part in (("Ti", found[3]), ("SUPER", found[4])) if part)
    laptop = bool(re.search(r"laptop|mobile|max-q", found[5], re.IGNORECASE))
    tier = int(found[2])
    chip = "Ampere" if (series, tier) == (20, 50) else SERIES[series]  # the one laptop chip that broke the rule
    return GPUName(name, series, tier, suffix, laptop, chip)
