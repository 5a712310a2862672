"""Sphinx's settings for the pages and the slides of one language; `make site` runs it."""

import json
import os
import sys
from pathlib import Path

import sphinx.search

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from docs.site.launch import ROOT  # noqa: E402
from docs.site.pages import Language  # noqa: E402
from docs.site.search import SearchPairs  # noqa: E402
from docs.site.words import WORDS  # noqa: E402

LANGUAGE = os.environ.get("SITE_LANGUAGE", "en")
PAGES = os.environ.get("SITE_BUILDER", "html") == "html"  # else the slides
SETTINGS = json.loads((DOCS / "_build" / "settings.json").read_text(encoding="utf-8"))

project = "day37"
html_title = WORDS[LANGUAGE]["title"]
html_short_title = "day37"
language = {"en": "en", "zh": "zh_CN"}[LANGUAGE]
extensions = ["myst_nb", "sphinx_copybutton" if PAGES else "sphinx_revealjs"]
source_suffix = {".ipynb": "myst-nb", ".md": "myst-nb"}
templates_path = ["_templates"] if PAGES else []  # the slides have their own theme

nb_execution_mode = "off"  # docs/site/execute.py has done it
nb_ipywidgets_js = {}  # no control lives on a page
nb_mime_priority_overrides = [
    ("revealjs", "image/png", 10),
    ("revealjs", "text/html", 20),
    ("revealjs", "text/plain", 90),
]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
copybutton_selector = "div.highlight pre"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": ["edit"]}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "languages.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_search_language = "en"  # for both: see SearchPairs
revealjs_html_theme = "revealjs-simple"
revealjs_style_theme = "white"
revealjs_css_files = ["slides.css"]
revealjs_static_path = ["_static"]
revealjs_script_conf = {
    "hash": True,
    "slideNumber": "c/t",
    "center": False,
    "transition": "none",
    "navigationMode": "linear",  # one key goes through all of them
}


sphinx.search.languages["en"] = SearchPairs


def add_to_page(app, page: str, template: str, context: dict, doctree) -> None:
    """Give each page its foot, its source, and the same page in the other language."""
    name = page.split("/")[-1]
    measured = SETTINGS["measured"].get(name, SETTINGS["measured"]["03_overhead_analysis"])
    context["foot"] = WORDS[LANGUAGE]["footer"].format(**measured)
    context["measured_title"] = WORDS[LANGUAGE]["measured"]
    here = Language(LANGUAGE)
    sources = {path.stem: path for path in here.notebooks} | {"terms": here.readme}
    sources |= {path.stem: path for path in here.folder("docs").glob("*.md")}
    source = sources.get(name, ROOT).relative_to(ROOT).as_posix()
    known = SETTINGS["edit"] and name in sources
    context["edit_address"] = SETTINGS["edit"] + source if known else ""
    context["repository"] = SETTINGS["repository"]
    others = [code for code in SETTINGS["languages"] if code != LANGUAGE]
    up = "../" * (page.count("/") + 1)
    context["others"] = [(WORDS[code]["name"], code, f"{up}{code}/{page}.html") for code in others]


def setup(app) -> None:
    """Sphinx calls this once."""
    app.connect("html-page-context", add_to_page)
