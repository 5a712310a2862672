"""Where a lesson can be started: the buttons' addresses, and the notebooks that they open.

The repository's address is known to whoever publishes, so it is asked here and nowhere else. Where
there is none, there are no buttons.
"""

import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PUBLISHED = "gh-pages"  # the branch on which the built site lies
# A hosted notebook has its own Jupyter, and breaks when this is exchanged.
JUPYTER = {"jupyterlab", "ipykernel", "ipywidgets"}
INSTALL = """\
# This notebook runs outside its project: install the project's library first.
# No restart is needed.
%pip install -q {what}"""
BUTTONS = re.compile("(?<=<!-- buttons: begin -->\n).*?(?=<!-- buttons: end -->)", re.DOTALL)


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub: "owner/name", and the branch that holds the sources."""

    name: str
    branch: str

    @property
    def address(self) -> str:
        """Of the repository."""
        return f"https://github.com/{self.name}"

    @property
    def site(self) -> str:
        """The address at which GitHub publishes its site."""
        owner, name = self.name.split("/")
        host = f"{owner.lower()}.github.io"
        return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"

    def edit(self, path: str) -> str:
        """Where the file at `path` can be changed."""
        return f"{self.address}/edit/{self.branch}/{path}"

    def buttons(self, language: str, notebook: str) -> dict[str, str]:
        """The addresses that open the notebook of this file name, by the button's text."""
        ready = f"{self.name}/blob/{PUBLISHED}/{language}/launch/{notebook}"
        path = f"notebooks/{notebook}" if language == "en" else f"notebooks/{language}/{notebook}"
        binder = f"https://mybinder.org/v2/gh/{self.name}/{self.branch}"
        return {
            "Colab": f"https://colab.research.google.com/github/{ready}",
            "Kaggle": f"https://www.kaggle.com/kernels/welcome?src=https://github.com/{ready}",
            "Binder": f"{binder}?urlpath=lab/tree/{path}",
        }


def repository() -> Repository | None:
    """The repository: from GITHUB_REPOSITORY, else from git's remote "origin"; None without."""
    origin = git("remote", "get-url", "origin").strip()
    name = os.environ.get("GITHUB_REPOSITORY") or name_of(origin)
    branch = os.environ.get("GITHUB_REF_NAME") or git("branch", "--show-current").strip()
    return Repository(name, branch or "main") if name else None


def name_of(address: str) -> str:
    """The "owner/name" in the address of a repository on GitHub; else ""."""
    found = re.search(r"github\.com[:/]+([\w.-]+/[\w.-]+?)(\.git)?/?$", address)
    return found[1] if found else ""


def git(*words: str) -> str:
    """What git says of this project; "" if it says nothing."""
    try:
        said = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, encoding="utf-8")
    except OSError:
        return ""
    return said.stdout if said.returncode == 0 else ""


def needed() -> list[str]:
    """What a lesson needs beside the library, without Jupyter itself, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lab = [Requirement(line) for line in project["optional-dependencies"]["lab"]]
    return [f"{one.name}{one.specifier}" for one in lab if one.name not in JUPYTER]


def ready_to_launch(path: Path, where: Repository | None) -> nbformat.NotebookNode:
    """The notebook at `path` with one more first cell, which installs the library.

    Without a repository it is as it is stored.
    """
    notebook = nbformat.read(path, as_version=4)
    if where:
        what = [f"git+{where.address}@{where.branch}", *needed()]
        source = INSTALL.format(what=" ".join(f'"{one}"' for one in what))
        if path.parent.name == "zh":  # elsewhere, `check` knows it by the notebook's folder
            source = f'import os\n\nos.environ["DAY37_LANGUAGE"] = "zh"\n{source}'
        notebook.cells.insert(0, new_code_cell(source, id="install"))
    return notebook


def with_buttons(readme: str, where: Repository | None, language: str = "en") -> str:
    """The text of a README with lesson 1's buttons between its two marks; none if `where` is."""
    line = ""
    if where:
        links = {"Site": where.site} | where.buttons(language, "01_cpu_baseline.ipynb")
        line = " · ".join(f"[{name}]({address})" for name, address in links.items()) + "\n"
    return BUTTONS.sub(lambda _: line, readme)
