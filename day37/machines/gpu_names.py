"""Lesson 2: reading a GPU's name: what it tells, and what it does not."""

import re
import unicodedata
from dataclasses import dataclass

from day37.checks import require

# Which chip is in which product: NVIDIA's product pages and the list of PCI devices
# (https://pci-ids.ucw.cz). "Fermi or Kepler": products of this one name have the one or the other.
# By this table's words: a series, two letters of a chip (lspci's GA104M), a letter of a Quadro.
ARCHITECTURES = {
    "Fermi": "4 5 GF",
    "Kepler": "6 7 GK K",
    "Maxwell": "9 GM M",
    "Pascal": "10 GP P",
    "Volta": "GV",
    "Turing": "16 20 TU T",
    "Ampere": "30 GA A",
    "Ada Lovelace": "40 AD",
    "Hopper": "GH",
    "Blackwell": "50 GB",
}
# Models of which neither series nor letter tells it: GeForce, then MX and Quadro.
MODELS = {
    "Fermi": "670M 675M 600 2000 4000 5000 6000 7000 500M 1000M 2000M 3000M 4000M 5000M 5010M",
    "Kepler": "645M 650M 720 730M 735M 740 740M 745M 750M 755M 825M 870M 880M 910M 920M",
    "Kepler or Maxwell": "860M",
    "Maxwell": "745 750 750TI 830M 840M 845M 850M MX110 MX130 K620 K620M K1200 K2200 K2200M",
    "Pascal": "MX150 MX230 MX250 MX330 MX350",
    "Turing": "MX450 MX550",
    "Ampere": "2050 MX570",
    "Ada Lovelace": "3050A",
    "unknown": "415 910A 920A",
}
TIERS = {9: "top", 8: "high", 7: "upper middle", 6: "middle"}  # by the tier's first digit
TITANS = {  # the first that stands in the name
    "TITAN RTX": "Turing",
    "TITAN V": "Volta",
    "TITAN XP": "Pascal",
    "TITAN X PASCAL": "Pascal",
    "GTX TITAN X": "Maxwell",
    "GTX TITAN": "Kepler",
    "TITAN X": "Maxwell or Pascal",
}
DATA_CENTRE = {
    "Kepler": "K10 K20 K40 K80 K340 K520",
    "Maxwell": "M10 M40 M60",
    "Pascal": "P4 P6 P40 P100",
    "Volta": "V100",
    "Turing": "T4 T10 T40",
    "Ampere": "A2 A10 A16 A30 A40 A100 A800",
    "Ada Lovelace": "L2 L4 L20 L40",
    "Hopper": "H20 H100 H200 H800 GH200",
    "Blackwell": "B100 B200 B300 GB200 GB300",
}
CHIP = re.compile(r"\b(?P<family>G[FKMPVAHB]|TU|AD)\d{2,3}(?P<ending>[A-Z]*)\b")

# Desktop or laptop. Until series 20 many a laptop's chip reports the desktop card's name.
ONLY_LAPTOPS = ["1650TI", "2050", "3050TI", "3050A", "4050"]
EITHER = "750TI 980 1050 1050TI 1060 1070 1080 1650 1660TI 2060 2070 2070SUPER 2080 2080SUPER"
LAPTOP = re.compile(r"LAPTOP|NOTEBOOK|MOBILE|MAX ?Q|笔记本|筆記|笔电|筆電|移动|行動")
DESKTOP = re.compile(r"DESKTOP|MAX ?Q WORKSTATION|台式|桌面|桌機")
BUILT_IN = re.compile(r"EMBEDDED|\b(?:RTX ?(?:PRO ?)?(?:500|1000|3000|3500)|A500|A3000)\b")
CHIP_IS = {
    True: "laptop chip",
    False: "desktop chip",
    None: "desktop or laptop chip: the name does not tell",
}

MAKERS = {  # the first whose words stand in the name
    "NVIDIA": r"NVIDIA|GEFORCE|QUADRO|TESLA|RTX|GTX|英伟达|輝達",
    "AMD": r"\bAMD\b|\bATI\b|RADEON|FIREPRO|INSTINCT|\bRX ?\d{3}|\bMI\d{2,3}|超威",
    "Intel": r"\bINTEL\b|\bIRIS\b|\bU?HD GRAPHICS\b|\bARC\b|DATA CENTER GPU|英特尔",
    "Apple": r"\bAPPLE\b|\bM\d (?:PRO|MAX|ULTRA)\b|苹果",
}
GEFORCE = re.compile(
    r"\b(?P<line>GEFORCE|RTX|GTX|GTS|GT) ?"
    r"(?P<series>[4-9]|10|16|[2-5]0)(?P<tier>[1-9]\d)(?!\d| ?MB)"
    r" ?(?P<ti>TI\b|TI(?=S\b))? ?(?P<super>SUPER\b|S\b)? ?(?P<letters>(?:MX|M|D|A)\b(?: V2\b)?)?"
)
WORKSTATION = re.compile(  # "RTX 4000 series" is said of GeForce cards
    r"\b(?:QUADRO|RTX ?PRO|(?:RTX ?)?A(?:[45]00|[1-6][05]00)[A-Z]?|A800 .*ACTIVE"
    r"|T(?:400|500|550|600|1000|1200|2000)E?|RTX ?(?:500|5880|[1-8][05]00)[A-Z]?)\b"
    r"(?! (?:SERIES|系列))"
)


@dataclass(frozen=True)
class GPUName:
    """A GPU's name taken apart. What a name does not tell is None, "" or "unknown".

    `kind` is "GeForce", "GeForce MX", "TITAN card", "workstation card" or "data-centre card";
    `laptop` is True, False or, where the name does not tell, None.
    """

    name: str
    maker: str = "unknown"
    kind: str = ""
    series: int | None = None
    tier: int | None = None
    suffix: str = ""
    laptop: bool | None = None
    architecture: str = "unknown"

    def __repr__(self) -> str:
        architecture = self.architecture.replace("unknown", "unknown architecture")
        if self.maker not in ("NVIDIA", "unknown"):
            told = f"made by {self.maker}; this rule is NVIDIA's"
        elif not self.kind:
            told = f"no name that this rule knows ({architecture})"
        elif self.series is None:
            told = f"{self.kind} ({architecture})"
        else:
            tier = TIERS.get(self.tier // 10, "entry")
            told = f"series {self.series} ({architecture}), tier {self.tier} ({tier})"
        if self.suffix:
            told += f", {self.suffix}"
        if self.kind == "data-centre card":
            told += ", no series and tier in this name"
        elif self.kind:
            told += f", {CHIP_IS[self.laptop]}"
        return f"{self.name}: {told}"


def read_gpu_name(name: str) -> GPUName:
    """A GPU's name taken apart: a GeForce's series, tier and suffix, and whether a laptop has it;
    of NVIDIA's other cards kind and architecture; of other makers' the maker.

    `name` may come from torch, OpenGL, lspci or a shop, in Latin or Chinese script.
    TypeError if `name` is not a string, ValueError if it is empty.
    """
    require(isinstance(name, str), "name", name, "a string", TypeError)
    allowed = "a GPU's name, such as 'RTX 4070 Laptop GPU'"
    require(bool(name.strip()), "name", name, allowed)
    text = _plain(name)
    maker = _maker(text)
    if maker not in ("NVIDIA", "unknown"):
        return GPUName(name, maker)
    found = _workstation(text) or _geforce(text) or _mx(text) or _titan(text) or _data_centre(text)
    chip = CHIP.search(text)
    if chip:
        found["architecture"] = _look_up(ARCHITECTURES, chip["family"])
    return GPUName(name, "NVIDIA" if found else maker, **found)


def _plain(name: str) -> str:
    """The name in capitals, one space between its words, without signs: "NVIDIA RTX 4070 TI"."""
    text = unicodedata.normalize("NFKC", name.replace("™", " ")).upper()  # full width to ASCII
    text = re.sub(r"\((?:TM|R|C)\)", " ", text)
    apart = r"([^\x00-\x7f]+|LAPTOP|NOTEBOOK|MOBILE|DESKTOP|SUPER|TITAN|QUADRO)"
    text = re.sub(apart, r" \1 ", text)
    return re.sub(r"[\W_]+", " ", text).strip()


def _maker(text: str) -> str:
    for maker, words in MAKERS.items():
        if re.search(words, text):
            return maker
    return "unknown"


def _look_up(table: dict[str, str], word: str) -> str:
    """The architecture in whose row the word stands, or ""."""
    for architecture, words in table.items():
        if word in words.split():
            return architecture
    return ""


def _laptop_by_words(text: str) -> bool | None:
    """What a word such as "Laptop", or the M of a chip's name, says."""
    if DESKTOP.search(text):
        return False
    chip = CHIP.search(text)
    says = LAPTOP.search(text) or (chip and chip["ending"].endswith("M"))
    return True if says else None


def _workstation(text: str) -> dict:
    if not WORKSTATION.search(text):
        return {}
    if "SERVER EDITION" in text:
        return {"kind": "data-centre card", "laptop": False, "architecture": "Blackwell"}
    architecture = _workstation_architecture(text)
    laptop = _laptop_by_words(text)
    if laptop is None and re.search(r"\b[KM]?\d{3,4}M\b", text):
        laptop = True
    # From Ampere on a laptop's chip says so. Some exist for laptops and built-in boards only.
    says_so = architecture in ("Ampere", "Ada Lovelace", "Blackwell")
    if laptop is None and says_so and not BUILT_IN.search(text):
        laptop = False
    return {"kind": "workstation card", "laptop": laptop, "architecture": architecture}


def _workstation_architecture(text: str) -> str:
    if re.search(r"\bADA\b", text):
        return "Ada Lovelace"
    if re.search(r"\bBLACKWELL\b|\bRTX ?PRO\b", text):
        return "Blackwell"
    if re.search(r"\bQUADRO RTX ?\d", text):
        return "Turing"
    quadro = text.partition("QUADRO ")[2].partition(" ")[0]
    letter = re.search(r"\b(?:RTX ?)?([KMPTA])\d{3,4}", text)
    by_letter = _look_up(ARCHITECTURES, letter[1]) if letter else "unknown"
    return _look_up(MODELS, quadro) or by_letter


def _geforce(text: str) -> dict:
    found = GEFORCE.search(text)
    if not found:
        return {}
    series = int(found["series"])
    suffixes = [found["ti"] and "Ti", found["super"] and "SUPER", found["letters"]]
    suffix = " ".join(part for part in suffixes if part)
    model = f"{series}{found['tier']}{suffix}".replace(" ", "").upper()
    architecture = _look_up(MODELS, model)
    if not architecture and series in (6, 7, 8) and found["line"] != "GTX":
        architecture = "Fermi or Kepler"
    if not architecture:
        architecture = _look_up(ARCHITECTURES, found["series"]) or "unknown"
    laptop = _laptop_by_words(text)
    if laptop is None and model not in EITHER.split() and (suffix != "A" or series == 30):
        laptop = found["letters"] in ("M", "MX") or model in ONLY_LAPTOPS
    facts = {"series": series, "tier": int(found["tier"]), "suffix": suffix}
    return {"kind": "GeForce", **facts, "laptop": laptop, "architecture": architecture}


def _mx(text: str) -> dict:
    found = re.search(r"\bMX ?(\d{3})\b", text)
    if not found:
        return {}
    architecture = _look_up(MODELS, f"MX{found[1]}") or "unknown"
    return {"kind": "GeForce MX", "laptop": True, "architecture": architecture}


def _titan(text: str) -> dict:
    for words, architecture in TITANS.items():
        if re.search(rf"\b{words}\b", text):
            return {"kind": "TITAN card", "laptop": False, "architecture": architecture}
    return {}


def _data_centre(text: str) -> dict:
    # V100S, A10G, H100L and, in virtual machines, A100DX: one or two letters may follow.
    for word in re.findall(r"\b([A-Z]{1,2}\d+)[A-Z]{0,2}\b", text):
        architecture = _look_up(DATA_CENTRE, word)
        if architecture:
            return {"kind": "data-centre card", "laptop": False, "architecture": architecture}
    return {}
