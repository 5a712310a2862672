"""The built site in Chromium, from the disk, with the network off (`make site` comes first)."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote, unquote, urlparse

import nbformat
import pytest

from docs.site.__main__ import BUILT, SITE
from docs.site.clean import clean, is_figure
from tests.browser.lab import CONTRAST, browser
from tests.notebooks import LESSONS, ROOT

pytestmark = pytest.mark.browser
PAGES = sorted(path for path in SITE.glob("*/**/*.html") if "slides" not in path.parts)
DECKS = sorted(path for path in SITE.glob("*/slides/0*.html"))
LANGUAGES = sorted(path.parent.name for path in SITE.glob("*/index.html"))
PHONE = {"width": 390, "height": 800}
DESK = {"width": 1280, "height": 800}
LOADED = "image => image.complete && image.naturalWidth > 0"
CONTRASTS = f"""all => all.filter(element => element.textContent.trim())
    .map(element => [({CONTRAST})(element), element.outerHTML])"""
OUTSIDE = """() => {
    const slide = Reveal.getCurrentSlide();
    return [...slide.querySelectorAll("img")].map(image => image.getBoundingClientRect())
        .filter(box => box.width < 100 || box.left < 0 || box.top < 0
                || box.right > innerWidth || box.bottom > innerHeight)
        .map(box => [box.left, box.top, box.right, box.bottom]);
}"""


def named(path):
    return str(path.relative_to(SITE).with_suffix(""))


@pytest.fixture(scope="module")
def chromium():
    assert PAGES and DECKS, "the site is not there: make site"
    with browser() as started:
        yield started


@contextmanager
def opened(chromium, viewport=DESK, scheme="light", own="file:"):
    """A page which must not have asked, at the end, for anything elsewhere, nor have failed."""
    offline = own == "file:"
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, offline=offline)
    page = context.new_page()
    wrong = []
    page.on(
        "request",
        lambda request: request.url.startswith((own, "data:")) or wrong.append(request.url),
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    yield page
    context.close()
    assert wrong == []


@contextmanager
def served(folder):
    """The address at which a server on this machine gives what lies in the folder."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


def figures(path):
    """How many figures the lesson's executed copy has."""
    notebook = nbformat.read(BUILT / "executed" / f"{path.stem}.ipynb", as_version=4)
    clean(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum(map(is_figure, outputs))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_a_page_needs_no_network_and_fits_a_phone(chromium, path):
    with opened(chromium, PHONE) as page:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for image in page.locator("article img").all():
            image.scroll_into_view_if_needed()
            assert image.evaluate(LOADED)
            assert image.get_attribute("alt").strip()


@pytest.mark.parametrize("path", [*PAGES, *DECKS], ids=named)
def test_links_within_the_site_lead_somewhere(chromium, path):
    with opened(chromium) as page:
        page.goto(path.as_uri())
        for address in page.locator("a[href]").evaluate_all("links => links.map(a => a.href)"):
            parts = urlparse(address)
            if parts.scheme == "file":
                file = type(path)(unquote(parts.path))
                assert file.exists(), address
                if parts.fragment and file.suffix == ".html" and "/slides/" not in parts.path:
                    text = file.read_text(encoding="utf-8")
                    assert f'id="{unquote(parts.fragment)}"' in text, address


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_shows_all_its_figures_and_solutions(chromium, path, language):
    with opened(chromium) as page:
        page.goto((SITE / language / "notebooks" / f"{path.stem}.html").as_uri())
        assert page.locator("article img").count() == figures(path) >= 3
        solutions = page.locator("details.solution")
        assert solutions.count() >= 3
        assert not solutions.first.locator("pre").is_visible()
        solutions.first.locator("summary").click()
        assert solutions.first.locator("pre").is_visible()
        text = page.locator("article").inner_text()
        assert "it/s" not in text and "VBox(" not in text and "Traceback" not in text
        buttons = page.locator("button.copybtn")
        assert buttons.count() > 20
        foot = page.locator("p.foot").inner_text()
        assert re.search(r"\d{4}-\d\d-\d\d.+[0-9a-f]{7}|unknown", foot) and "PyTorch" in foot


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_readable_on_light_and_on_dark(chromium, language, scheme):
    for name in ("index", "notebooks/03_overhead_analysis", "terms"):
        with opened(chromium, scheme=scheme) as page:
            page.goto((SITE / language / f"{name}.html").as_uri())
            behind = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, re.findall(r"\d+", behind)[:3])) < 200) == (scheme == "dark")
            parts = "article p, article li, article td, article a, article pre, summary, .foot"
            low = [pair for pair in page.locator(parts).evaluate_all(CONTRASTS) if pair[0] < 4.5]
            assert low == []
            code = [
                pair
                for pair in page.locator("article pre span").evaluate_all(CONTRASTS)
                if pair[0] < 3
            ]
            assert code == []
            for image in page.locator("article img").all():
                colour = "image => getComputedStyle(image).backgroundColor"
                assert image.evaluate(colour) == "rgb(255, 255, 255)"


def found(chromium, folder, query):
    """The addresses that a search finds, in their order."""
    with served(folder) as address, opened(chromium, own=address) as page:
        page.goto(f"{address}/search.html?q={quote(query)}")
        page.wait_for_function("document.querySelector('#search-results p.search-summary')")
        page.wait_for_timeout(1000)  # the hits come one after the other
        hits = page.locator("#search-results li a")
        return [urlparse(link).path for link in hits.evaluate_all("all => all.map(a => a.href)")]


@pytest.mark.parametrize("query", ["launch-bound", "why is the GPU slower", "CUDA graph"])
def test_search_finds_the_answer(chromium, query):
    assert any("03_overhead" in hit for hit in found(chromium, SITE / "en", query)[:3])


@pytest.mark.parametrize("query, page", [("warm-up", "01_cpu"), ("同步点", "terms")])
def test_search_finds_a_term(chromium, query, page):
    assert any(page in hit for hit in found(chromium, SITE / "en", query))
    assert found(chromium, SITE / "en", "zzzz 犇犇犇") == []


def test_search_finds_chinese_in_a_chinese_page(chromium, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    texts = {
        "index": "训练循环先预热，再计时。中位数和四分位距，还有置信区间。",
        "other": "读取是一个同步点，GPU在等。",
    }
    for name, text in texts.items():
        (source / f"{name}.md").write_text(f"# {name}\n\n{text}\n", encoding="utf-8")
    (source / "measured.md").write_text("---\norphan: true\n---\n# m\n", encoding="utf-8")
    with open(source / "index.md", "a", encoding="utf-8") as index:
        index.write("\n```{toctree}\nother\n```\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-c", ROOT / "docs", source]
    environment = {**os.environ, "SITE_LANGUAGE": "zh"}
    subprocess.run([*command, tmp_path / "zh"], check=True, env=environment, cwd=ROOT)
    finds = dict.fromkeys(["训练循环", "预热", "置信区间", "训练 中位数"], "index")
    finds |= dict.fromkeys(["同步点", "GPU"], "other")
    for query, name in finds.items():
        hits = found(chromium, tmp_path / "zh", query)
        assert [hit.split("/")[-1] for hit in hits] == [f"{name}.html"], query
    assert found(chromium, tmp_path / "zh", "循环读取") == []


@pytest.mark.parametrize("path", DECKS, ids=named)
def test_each_figure_fits_its_slide(chromium, path):
    with opened(chromium) as page:
        page.goto(path.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        shown = 0
        for _ in range(page.evaluate("Reveal.getTotalSlides()")):
            slide = page.locator("section.present:not(.stack)").last
            for image in slide.locator("img").all():
                page.wait_for_function(LOADED, arg=image.element_handle())
                shown += 1
            assert page.evaluate(OUTSIDE) == []
            page.evaluate("Reveal.next()")
        assert shown == figures(path)


def test_the_first_page_leads_to_a_language(chromium):
    with opened(chromium) as page:
        page.goto((SITE / "index.html").as_uri())
        page.wait_for_url("**/en/index.html")
        said = page.locator("article").inner_text()
        assert "Why is my GPU slower than my CPU" in said and "You need no GPU" in said
        assert len(LANGUAGES) == len(json.loads((BUILT / "settings.json").read_text())["languages"])


@pytest.mark.skipif(len(LANGUAGES) < 2, reason="one language")
@pytest.mark.parametrize("path", PAGES, ids=named)
def test_a_page_leads_to_itself_in_the_other_language(chromium, path):
    with opened(chromium) as page:
        page.goto(path.as_uri())
        link = page.locator("p.languages a").get_attribute("href")
        there = (path.parent / link).resolve()
        assert there.exists() and there.name == path.name and there != path


def test_a_language_takes_20_megabytes_at_most():
    for language in LANGUAGES:
        files = [path for path in (SITE / language).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 20e6
