"""JupyterLab with the lessons in it, and a browser that reads them.

What it writes goes into a folder of its own.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import nbformat

from tests.notebooks import LESSONS, read, shorten

CHROMIUM = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
)
# The second half keeps the browser from looking for its maker's servers.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-quic"]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page
}
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
READY = f"""path => window.jupyterapp && {NOTEBOOK}?.context?.path == path
    && {NOTEBOOK}.sessionContext?.session?.kernel"""
COMMANDS = "window.jupyterapp.commands"
BEGIN = f"""name => new Promise(begins => {{
    const heard = (_, message) => message.header.msg_type == "execute_input" && begins();
    {NOTEBOOK}.sessionContext.session.kernel.iopubMessage.connect(heard);
    window.begun = {COMMANDS}.execute(name);
}})"""


# How far an element's text is from what lies behind it, as WCAG 2 counts it.
CONTRAST = """element => {
    const part = value => { value /= 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4 };
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const opaque = e => { const c = numbers(getComputedStyle(e).backgroundColor);
        return c.length < 4 || c[3] > 0 || !e.parentElement ? c : opaque(e.parentElement) };
    const text = light(numbers(getComputedStyle(element).color));
    const [a, b] = [text, light(opaque(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05)
}"""

# A reader's own cell below lesson 1's console: it waits for a training that goes on.
WAITS = 'print(await console.done() or "nothing was started")'


@contextmanager
def serve(folder):
    """A server on a free port with a token, over short copies of the lessons; its address."""
    lessons = folder / "lessons"
    lessons.mkdir()
    for path in LESSONS:
        notebook = read(path)
        shorten(notebook)
        if any(cell.id == "console" for cell in notebook.cells):
            notebook.cells.append(nbformat.v4.new_code_cell(WAITS, id="console-run"))
        nbformat.write(notebook, lessons / path.name)
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
    }
    places |= {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = os.environ | {name: str(folder / place) for name, place in places.items()}
    environment |= {"JUPYTER_TOKEN": secrets.token_hex(16)}
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        "--port=0",
        f"--notebook-dir={lessons}",
    ]
    command += ["--LabApp.expose_app_in_browser=True"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield wait_for_address(folder, server) + "{}?token=" + environment["JUPYTER_TOKEN"]
        finally:
            server.terminate()
            server.wait(30)


def wait_for_address(folder, server, seconds=60):
    """The address that the server has written down.

    RuntimeError with its log if it ends or takes too long.
    """
    for _ in range(seconds * 10):
        found = list((folder / "runtime").glob("jpserver-*.json"))
        if found and found[0].read_text().strip().endswith("}"):
            return json.loads(found[0].read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("JupyterLab did not start:\n" + (folder / "server.log").read_text())


def find_chromium():
    """The path of the system's browser; None if it has none of this kind."""
    return next(
        filter(None, map(shutil.which, (os.environ.get("CHROMIUM") or CHROMIUM[0], *CHROMIUM))),
        None,
    )


@contextmanager
def browser():
    """Chromium as the system has it, or the one that Playwright has installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield started
        started.close()


class Lesson:
    """A lesson open in a page of its own, its kernel ready.

    `errors`: what the page's console has complained of.
    """

    def __init__(self, started, address, name, **view):
        self.address = address
        self.context = started.new_context(viewport={"width": 1300, "height": 1000}, **view)
        self.page, self.errors = self.context.new_page(), []
        self.page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        # A workspace of its own: no page of before is restored.
        self.page.goto(address.format(f"lab/workspaces/{secrets.token_hex(4)}/tree/{name}.ipynb"))
        self.page.wait_for_function(READY, arg=f"{name}.ipynb", timeout=60_000)
        self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.info")

    def run(self, command="notebook:run-all-cells"):
        """Run a command of JupyterLab, and wait until it is done."""
        self.page.evaluate(f"name => {COMMANDS}.execute(name)", command)

    def begin(self, command="notebook:run-cell"):
        """Run a command of JupyterLab, and wait only until the kernel has begun a cell.

        `end` waits for the rest.
        """
        self.page.evaluate(BEGIN, command)

    def end(self):
        """Wait until what `begin` began is done."""
        self.page.evaluate("() => window.begun")

    def names(self):
        """The ids of all cells."""
        return self.page.evaluate(f"() => {NOTEBOOK}.content.widgets.map(cell => cell.model.id)")

    def cell(self, name):
        """The cell with this id."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(self.names().index(name))

    def prints(self, name, text):
        """Wait until this cell's output says the text, or something of a pattern."""
        self.cell(name).locator(".jp-OutputArea-output", has_text=text).first.wait_for(
            timeout=20_000
        )

    def select(self, name):
        """Make this cell the active one, for the commands that run it."""
        self.page.evaluate(
            f"index => {{ {NOTEBOOK}.content.activeCellIndex = index }}", self.names().index(name)
        )

    def counts(self):
        """The execution count of each code cell, None where it has not run."""
        cells = f"{NOTEBOOK}.content.widgets.filter(cell => cell.model.type == 'code')"
        return self.page.evaluate(f"() => {cells}.map(cell => cell.model.executionCount)")

    def theme(self, name):
        """ "Light" or "Dark".

        JupyterLab puts its start picture over the page meanwhile, and takes it off 200 ms later:
        twice, with an error, if the theme changes again before.
        """
        self.page.evaluate(
            f"theme => {COMMANDS}.execute('apputils:change-theme', {{theme}})", f"JupyterLab {name}"
        )
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight == light", arg=str(name == "Light").lower()
        )
        self.page.wait_for_function("() => !document.getElementById('jupyterlab-splash')")

    def close(self):
        """End the kernel and close the page."""
        kernel = self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.id")
        self.context.request.delete(self.address.format(f"api/kernels/{kernel}"))
        self.context.close()
