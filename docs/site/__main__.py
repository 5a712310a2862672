"""Build the site: python -m docs.site. With "buttons": write README's row of buttons instead."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError

from docs.site.clean import clean
from docs.site.execute import execute
from docs.site.launch import ROOT, Repository, ready_to_launch, repository, with_buttons
from docs.site.pages import Language, buttons, languages, lesson_page, write, write_texts
from docs.site.slides import slides
from docs.site.translate import bring_over
from docs.site.words import WORDS

BUILT = ROOT / "docs" / "_build"  # executed copies, sources, what Sphinx remembers
SITE = ROOT / "site"
# What Sphinx writes and no page needs.
UNUSED = ["jupyter_execute", "*/jupyter_execute", "*/_sources", "*/slides/_sources"]


def main(words: list[str]) -> int:
    """Build every language; 0 if all went well."""
    where = repository()
    if words == ["buttons"]:
        return write_buttons(where)
    try:
        executed = {path.stem: run(path) for path in Language("en").notebooks}
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    text = json.dumps(settings(executed, where))
    known = BUILT / "settings.json"
    same = known.exists() and known.read_text(encoding="utf-8") == text
    if not same:  # else figures and addresses of before would stay
        for old in [SITE, *(BUILT / code for code in WORDS)]:
            shutil.rmtree(old, ignore_errors=True)
    write(known, text)
    for language in languages():
        write_sources(language, executed, where)
        for builder in ("html", "revealjs"):
            failed = sphinx(language, builder)
            if failed:
                return failed
    write_first_page()
    size = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())
    print(f"site/index.html: open it in a browser ({size / 1e6:.1f} MB in all)")
    return 0


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs."""
    return execute(path, BUILT / "executed" / path.name)


def write_buttons(where: Repository | None) -> int:
    """Write the row of buttons into each README; 0 if the repository is known."""
    if not where:
        print("no repository: git has no remote named origin on GitHub", file=sys.stderr)
        return 1
    for language in languages():
        text = language.readme.read_text(encoding="utf-8")
        write(language.readme, with_buttons(text, where, language.code))
    return 0


def write_sources(language: Language, executed: dict, where: Repository | None) -> None:
    """Write what Sphinx reads: the pages and the slides of a language."""
    pages = BUILT / language.code / "html"
    deck = BUILT / language.code / "revealjs"
    solutions = nbformat.read(language.folder("notebooks") / "solutions.ipynb", as_version=4)
    for path in language.notebooks:
        shown = bring_over(executed[path.stem], nbformat.read(path, as_version=4))
        clean(shown, language.code)
        page = lesson_page(shown, solutions, language, buttons(path, language, where))
        write(pages / "notebooks" / path.name, nbformat.writes(page))
        if path in language.lessons:
            write(deck / path.name, nbformat.writes(slides(shown)))
        launched = nbformat.writes(ready_to_launch(path, where))
        write(SITE / language.code / "launch" / path.name, launched)
    names = [path.stem for path in language.lessons]
    index = "\n".join(["# Slides", "", "```{toctree}", *names, "```", ""])
    write(deck / "index.md", index)
    write_texts(language, executed, pages, where)


def settings(executed: dict, where: Repository | None) -> dict:
    """What conf.py asks for: the foot of each page, and where its source can be changed."""
    return {
        "measured": {name: dict(one.metadata.measured) for name, one in executed.items()},
        "languages": [language.code for language in languages()],
        "edit": where.edit("") if where else "",
        "repository": where.address if where else "",
    }


def sphinx(language: Language, builder: str) -> int:
    """Run Sphinx, which takes a warning for an error; its exit status."""
    source = BUILT / language.code / builder
    to = SITE / language.code / ("slides" if builder == "revealjs" else "")
    doctrees = BUILT / language.code / f"{builder}-doctrees"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder]
    command += ["-c", str(ROOT / "docs"), "-d", str(doctrees), str(source), str(to)]
    environment = {**os.environ, "SITE_LANGUAGE": language.code, "SITE_BUILDER": builder}
    return subprocess.run(command, env=environment, cwd=ROOT).returncode


def write_first_page() -> None:
    """The address of the site itself leads to a language."""
    links = [f'<a href="{one.code}/index.html">{one.words["name"]}</a>' for one in languages()]
    to_english = '<meta http-equiv="refresh" content="0; url=en/index.html">'
    page = f'<!doctype html>\n<meta charset="utf-8">\n<title>day37</title>\n{to_english}\n'
    write(SITE / "index.html", page + " · ".join(links) + "\n")
    write(SITE / ".nojekyll", "")  # else GitHub leaves out folders that begin with "_"
    for name in UNUSED:
        for folder in SITE.glob(name):
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
