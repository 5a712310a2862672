"""Install the browser that the tests need, if none is there: python -m tests.browser.

If it cannot: advice, and exit status 1.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.browser.lab import find_chromium

ADVICE = """No Chromium was found, and none could be installed. Install it, then run this again:
  Debian, Ubuntu: sudo apt install chromium
  elsewhere: .venv/bin/playwright install chromium, or Google Chrome
A browser in an unusual place: CHROMIUM=/path/to/it make test-browser"""


def there():
    """Is there a browser, the system's or Playwright's own?"""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return bool(find_chromium()) or Path(playwright.chromium.executable_path).exists()


def ways():
    """Commands that may install one, the best first."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        yield [
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
        ]
    yield [[sys.executable, "-m", "playwright", "install", "chromium"]]


def main():
    """0 if there is a browser, at last."""
    for commands in ways():
        if there():
            return 0
        for command in commands:
            print(*command, flush=True)
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if there():
        return 0
    print(ADVICE, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
