"""What the page showed when a test failed, in pytest's report."""

import tempfile
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    lesson = item.funcargs.get("lesson")
    if report.failed and lesson is not None:
        picture = Path(tempfile.mkdtemp(prefix="day37-")) / "page.png"
        lesson.page.screenshot(path=picture)
        says = lesson.page.locator(".widget-html-content").all_inner_texts()
        report.sections.append(
            ("the page", "\n".join([str(picture), *says, "its console:", *lesson.errors]))
        )
    return report
