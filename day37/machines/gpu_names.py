"""Lesson 2: reading a GPU's name: what it tells, and what it does not."""

import re
from dataclasses import dataclass

from day37.checks import require

# Series and data-centre names: NVIDIA's product pages. A GTX 16 is Turing without ray tracing.
SERIES = {
    9: "Maxwell",
    10: "Pascal",
    16: "Turing",
    20: "Turing",
    30: "Ampere",
    40: "Ada Lovelace",
    50: "Blackwell",
}
TIERS = {90: "top", 80: "high", 70: "upper middle", 60: "middle", 50: "entry", 30: "entry"}
DATA_CENTRE = {
    "Pascal": "P100",
    "Volta": "V100",
    "Turing": "T4",
    "Ampere": "A100 A10 A30 A40",
    "Ada Lovelace": "L4 L40 L40S",
    "Hopper": "H100 H200 GH200",
    "Blackwell": "B100 B200 GB200",
}
GEFORCE = re.compile(
    r"\b(?:RTX|GTX)\s*(?P<series>9|10|16|20|30|40|50)(?P<tier>[1-9]0)"
    r"\s*(?P<ti>Ti\b)?\s*(?P<super>SUPER\b)?(?P<rest>.*)",
    re.IGNORECASE,
)
LAPTOP = re.compile(r"laptop|mobile|max-q", re.IGNORECASE)


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
            return (
                f"{self.name}: no series and tier in this name (architecture: {self.architecture})"
            )
        parts = [f"series {self.series} ({self.architecture})"]
        parts.append(f"tier {self.tier} ({TIERS.get(self.tier, 'unknown')})")
        if self.suffix:
            parts.append(self.suffix)
        parts.append("laptop chip" if self.laptop else "desktop chip")
        return f"{self.name}: {', '.join(parts)}"


def read_gpu_name(name: str) -> GPUName:
    """Series, tier, suffix and laptop of a GeForce name; of a data-centre name its architecture.

    TypeError if `name` is not a string, ValueError if it is empty.
    """
    require(isinstance(name, str), "name", name, "a string", TypeError)
    allowed = "a GPU's name, such as 'RTX 4070 Laptop GPU'"
    require(bool(name.strip()), "name", name, allowed)
    found = GEFORCE.search(name)
    if not found:
        return GPUName(name, None, None, "", False, _data_centre(name))
    series = int(found["series"])
    tier = int(found["tier"])
    suffix = "Ti" if found["ti"] else ""
    if found["super"]:
        suffix = f"{suffix} SUPER".strip()
    laptop = bool(LAPTOP.search(found["rest"]))
    architecture = SERIES[series]
    if (series, tier) == (20, 50):
        architecture = "Ampere"  # the one laptop chip that broke the rule
    return GPUName(name, series, tier, suffix, laptop, architecture)


def _data_centre(name: str) -> str:
    """The architecture of the data-centre card in the name, or "unknown"."""
    words = re.split(r"[\s\-_/]+", name.upper())
    for architecture, cards in DATA_CENTRE.items():
        if set(words) & set(cards.split()):
            return architecture
    return "unknown"
