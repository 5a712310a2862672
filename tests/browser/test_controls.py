"""Each lesson in a real browser: all cells run, each control moved as a reader would.

`make test-browser` installs what this needs and runs it.
"""

import itertools
import re

import pytest

from tests.browser.lab import CONTRAST, NOTEBOOK, Lesson, browser, serve
from tests.notebooks import NAMES

pytestmark = pytest.mark.browser
CONTROLS = ["console", "explorer", "detail-plot", "stepper"]
SOON = 1.0  # seconds in which a Stop must stop


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("jupyter")) as found:
        yield found


@pytest.fixture(scope="module")
def started():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def opened(started, address):
    """The lessons by number, each opened and run when it is first asked for."""
    found = {}

    def open_lesson(number):
        if number not in found:
            found[number] = Lesson(started, address, NAMES[number - 1])
            found[number].run()
        return found[number]

    yield open_lesson
    for lesson in found.values():
        lesson.close()


@pytest.fixture
def lesson(opened, request):
    """The lesson with the number in the test's name, all its cells run.

    Nothing is wrong in it before or after the test.
    """
    lesson = opened(int(re.search(r"lesson_(\d)", request.node.name)[1]))
    nothing_is_wrong(lesson)
    yield lesson
    nothing_is_wrong(lesson)


def nothing_is_wrong(lesson):
    assert None not in lesson.counts()
    bad = ["application/vnd.jupyter.error", "application/vnd.jupyter.stderr"]
    assert (
        lesson.page.locator(
            ", ".join(f'[data-mime-type="{kind}"]' for kind in bad)
        ).all_inner_texts()
        == []
    )
    assert lesson.errors == []
    images = "[...document.querySelectorAll('.jp-Notebook img')]"
    broken = f"() => {images}.filter(i => !i.complete || !i.naturalWidth).length"
    lesson.page.wait_for_function(f"() => ({broken})() == 0")


class Control:
    """The control below the cell with this id, as a reader sees it."""

    def __init__(self, lesson, cell):
        self.page, self.box = lesson.page, lesson.cell(cell).locator(".widget-vbox").first
        self.box.scroll_into_view_if_needed()

    def field(self, label):
        """The field with this label before it."""
        return self.box.locator(
            ".widget-label", has_text=re.compile(f"^{re.escape(label)}$")
        ).locator("..")

    def button(self, text):
        return self.box.locator("button", has_text=text)

    def status(self):
        return self.box.locator(".widget-html-content").inner_text()

    def picture(self):
        return self.box.locator("img").get_attribute("src")

    def says(self, text):
        """Wait until the status says this."""
        self.box.locator(".widget-html-content", has_text=text).wait_for(timeout=20_000)

    def changed_by(self, act):
        """Do `act` and wait until both the status and the picture are new ones."""
        before = self.status(), self.picture()
        act()
        image, text = (
            self.box.locator("img").element_handle(),
            self.box.locator(".widget-html-content").element_handle(),
        )
        new = "image.getAttribute('src') != src && text.innerText != said"
        different = f"([image, text, src, said]) => {new}"
        self.page.wait_for_function(
            different, arg=[image, text, before[1], before[0]], timeout=20_000
        )

    def drag(self, label, share):
        """Drag the slider with this label to a share, 0 to 1, of its length."""
        handle, bar = (
            self.field(label).locator(part).bounding_box()
            for part in (".noUi-handle", ".noUi-base")
        )
        self.page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(bar["x"] + share * bar["width"], bar["y"] + bar["height"] / 2, steps=5)
        self.page.mouse.up()

    def press(self, label, *keys):
        """Keys on the slider with this label."""
        for key in keys:
            self.field(label).locator(".noUi-handle").press(key)

    def type(self, label, text):
        """Type into a field, or into the number behind a slider."""
        place = self.field(label).locator("input, .widget-readout").last
        place.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")


def seconds_until(control, act, done):
    """Seconds, by the page's own clock, from `act` until the page has done `done` (JavaScript)."""
    start = control.page.evaluate("() => performance.now()")
    act()
    return (
        control.page.wait_for_function(f"() => {done} && performance.now()").json_value() - start
    ) / 1000


BUTTONS = "[...document.querySelectorAll('button')]"
STOPPED = f"{BUTTONS}.find(button => button.innerText.trim() == 'Stop').disabled"


def begin(console, epochs):
    """Type the epochs, press Start, and wait until the training shows that it goes on."""
    console.type("epochs", str(epochs))
    console.button("Start").click()
    console.says(f"of {epochs:,} epochs")


def test_lesson_1_trains_while_one_watches_and_stops_at_once(lesson):
    console = Control(lesson, "console")
    begin(console, 5_000_000)
    for _ in range(3):
        console.changed_by(lambda: None)  # the epochs go up and the curve grows
    assert seconds_until(console, console.button("Stop").click, STOPPED) < SOON
    console.says("ended early: Stop); test accuracy")
    lesson.select("console-run")
    lesson.run("notebook:run-cell")
    lesson.prints("console-run", re.compile(r"console: [\d,]+ epochs in"))


def test_lesson_1_begins_afresh_with_what_is_typed_and_the_next_cell_waits_for_it(lesson):
    console = Control(lesson, "console")
    begin(console, 40_000)
    lesson.select("console-run")
    lesson.run("notebook:run-cell")
    lesson.prints("console-run", "console: 40,000 epochs in")
    console.says("40,000 epochs in")
    console.type("learning rate", "0.5")
    console.type("hidden width", "3")
    console.type("epochs", "500")
    console.button("Start").press("Enter")
    console.says("500 epochs in")


def test_lesson_1_stops_by_keyboard_and_by_the_toolbar(lesson):
    console = Control(lesson, "console")
    begin(console, 5_000_000)
    console.button("Stop").focus()
    assert seconds_until(console, lambda: lesson.page.keyboard.press("Space"), STOPPED) < SOON
    toolbar = lesson.page.locator(
        '.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]'
    ).first
    for epochs, stop in ((5_000_001, toolbar), (5_000_002, console.button("Stop"))):
        begin(console, epochs)
        lesson.select("console-run")
        lesson.begin()  # the cell waits for the training
        assert seconds_until(console, stop.click, STOPPED) < SOON
        console.says("ended early")
        lesson.end()


def test_lesson_1_run_again_ends_the_training_of_the_console_before(lesson):
    begin(Control(lesson, "console"), 5_000_000)
    lesson.page.evaluate(
        f"code => {NOTEBOOK}.sessionContext.session.kernel.requestExecute({{ code }}).done",
        "before = console",
    )
    lesson.select("console")
    lesson.run("notebook:run-cell")
    lesson.select("console-run")
    lesson.run("notebook:run-cell")  # of the new console: nothing was started there
    lesson.prints("console-run", "nothing was started")
    console = Control(lesson, "console")
    console.says("Press Start")
    ended = "before._thread.join(5)\nassert not before._thread.is_alive()\n"
    ended += "assert before.run.epochs < 5_000_000"
    kernel = f"{NOTEBOOK}.sessionContext.session.kernel"
    run = f"code => {kernel}.requestExecute({{ code }}).done.then(reply => reply.content.status)"
    assert lesson.page.evaluate(run, ended) == "ok"
    begin(console, 5_000_000)
    lesson.select("console-run")
    lesson.begin()  # a button that was never pressed before is heard while a cell waits, too
    assert seconds_until(console, console.button("Stop").click, STOPPED) < SOON
    lesson.end()


def test_lesson_2_has_run_whole(lesson):
    bars = lesson.cell("published-plot").locator("img")
    assert bars.count() == 1


def test_lesson_3_moves_the_costs_of_a_step(lesson):
    step = Control(lesson, "explorer")
    step.says("bottleneck: launches")
    step.says("20,000 steps: 48.2 s")
    step.changed_by(lambda: step.drag("kernel (µs)", 0.7))
    step.says("bottleneck: kernels")
    step.type("kernel (µs)", "0.01")
    step.says("kernels 0%")
    step.press("steps between reads", "End")
    step.says("reads 0%")
    step.changed_by(lambda: step.press("launches a step", "ArrowLeft", "ArrowLeft"))
    step.changed_by(lambda: step.drag("launch (µs)", 0.1))
    step.button("Back to the start").click()
    step.says("20,000 steps: 48.2 s")


def test_lesson_4_moves_how_often_the_loss_is_read(lesson):
    reads = Control(lesson, "detail-plot")
    reads.changed_by(lambda: reads.drag("steps between reads", 0.99))
    reads.says("1,000 steps with 1 read:")
    reads.press("steps between reads", "ArrowLeft")
    reads.says("1,000 steps with 2 reads:")


def test_lesson_5_steps_forward_and_back(lesson):
    stepper = Control(lesson, "stepper")
    for now in ("2 of 18: model.forward", "3 of 18: fc1 (Linear).__call__"):
        stepper.changed_by(stepper.button("Next").click)
        stepper.says(now)
    stepper.says("→         return self.fc2(self.relu(self.fc1(x)))")
    stepper.button("Back").press("Enter")
    stepper.says("2 of 18: model.forward")
    stepper.changed_by(lambda: stepper.drag("event", 0.5))
    stepper.press("event", "End")
    stepper.says("18 of 18")


@pytest.mark.parametrize("number", [1, 3, 4, 5], ids=lambda number: f"lesson_{number}")
def test_controls_can_be_read_in_both_themes_and_at_twice_the_size(number, lesson):
    lesson.page.set_viewport_size(
        {"width": 650, "height": 500}
    )  # what a page of 1300 is at a zoom of 200 %
    found = [name for name in CONTROLS if name in lesson.names()]
    assert found
    for theme, name in itertools.product(("Dark", "Light"), found):
        lesson.theme(theme)
        control = Control(lesson, name)
        parts = control.box.locator(
            ".widget-label:visible, button:enabled, .widget-html-content, .widget-readout, input"
        )
        for part in parts.all():
            assert part.evaluate(CONTRAST) >= 4.5, part.evaluate(
                "element => element.outerHTML"
            )  # WCAG 2, level AA
        for label in control.box.locator(".widget-label:visible").all():
            room = "element => element.clientWidth - element.scrollWidth"  # else it ends in "..."
            assert label.evaluate(room) >= 0, label.inner_text()
        whole = control.box.bounding_box()
        assert (
            control.box.locator("img").bounding_box()["width"] >= 600
        )  # its letters are not shrunk; what is too wide scrolls
        for part in control.box.locator(
            ".widget-box:has(> img), .widget-readout, button, input"
        ).all():
            place = part.bounding_box()
            assert place["x"] + place["width"] <= whole["x"] + whole["width"] + 4, part.evaluate(
                "element => element.outerHTML"
            )
