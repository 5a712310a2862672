"""What every control is made of: fields, a line of status, a picture. It holds no computation."""

import html
import threading
from collections.abc import Callable, Mapping

WRAP = {"flex_flow": "row wrap"}  # on a narrow page the fields stand below each other
FIGURE = {"min_width": "600px", "max_width": "100%"}
SCROLL = {"overflow": "auto"}  # a picture that is zoomed in is not shrunk again
LABEL = {"description_width": "11em"}
WIDE = {"style": LABEL, "layout": {"width": "29.5em", "max_width": "100%"}}


class Control:
    """Rows of fields, a line of status, and a picture.

    `box` is None without ipywidgets: then the control says so and does nothing. `error`: what last
    went wrong.
    """

    # One at a time: ipykernel may hand a page's messages to two threads, and what began earlier
    # must not be shown last.
    turn = threading.RLock()

    def __init__(self, rows: Callable):
        self.box = None
        self.error = None
        try:
            import ipywidgets
        except ImportError as error:
            self.absent = "ipywidgets is not installed"
            if error.name != "ipywidgets":  # but what it needs
                self.absent = f"ipywidgets says: {error}"
            return
        self.status = ipywidgets.HTML()
        self.picture = ipywidgets.Image(format="png", layout=FIGURE)
        lines = [ipywidgets.HBox(row, layout=WRAP) for row in rows(ipywidgets)]
        for line in lines:
            for field in line.children:
                name_on_hover(field)
        below = ipywidgets.Box([self.picture], layout=SCROLL)
        self.box = ipywidgets.VBox([*lines, self.status, below])

    def _ipython_display_(self, **how) -> None:
        # Only a widget of ipywidgets 7, as in Colab, shows itself so. Else Jupyter is told to ask
        # for the mimebundle.
        shows = getattr(self.box, "_ipython_display_", None)
        if shows is None:
            raise NotImplementedError
        shows(**how)

    def _repr_mimebundle_(self, **how):
        if self.box is None:
            return {"text/plain": f"no controls here: {self.absent}"}
        return self.box._repr_mimebundle_(**how)

    def fail(self, error: Exception) -> None:
        """Show the error where the reader looks, and keep it."""
        self.error = error
        self.status.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"


class Explorer(Control):
    """Fields by name; at each change `show`, called with their values, gives status and picture.

    The status is HTML, the picture PNG.
    """

    def __init__(self, show: Callable[..., tuple[str, bytes]], fields: Callable[..., dict]):
        self.show = show
        self.fields = {}
        self._setting = False

        def rows(widgets) -> list[list]:
            self.fields = fields(widgets)
            return [list(self.fields.values())]

        super().__init__(rows)
        for field in self.fields.values():
            field.observe(lambda _: self._changed(), "value")
        if self.fields:
            self.redraw()

    def _changed(self) -> None:
        with self.turn:
            if not self._setting:  # else one of several at once
                self.redraw()

    def set(self, values: Mapping) -> None:
        """Set the fields to these values, by name, and show them once."""
        with self.turn:
            try:
                self._setting = True
                for name, value in values.items():
                    self.fields[name].value = value
            finally:
                self._setting = False
            self.redraw()

    def redraw(self) -> None:
        """Show what the fields say now."""
        self._guard(self._redraw)

    def _redraw(self) -> None:
        values = {name: field.value for name, field in self.fields.items()}
        self.status.value, self.picture.value = self.show(**values)
        self.error = None

    def _guard(self, action: Callable[[], None]) -> None:
        with self.turn:
            try:
                action()
            except Exception as error:  # a callback's error would end in a log that nobody reads
                self.fail(error)

    def add_button(self, text: str, icon: str, action: Callable[[], None]) -> None:
        """A button after the fields; nothing without ipywidgets."""
        if self.box is None:
            return
        from ipywidgets import Button

        button = Button(description=text, icon=icon, tooltip=text)
        button.on_click(lambda _: self._guard(action))
        self.box.children[0].children += (button,)


def name_on_hover(field) -> None:
    """Give a field its description as its tooltip, which else says "null" on the page."""
    # in ipywidgets 7 only a button has a tooltip of that name
    name = "tooltip" if hasattr(field, "tooltip") else "description_tooltip"
    setattr(field, name, getattr(field, name) or field.description)


def choice(widgets, names, description: str):
    """A row of buttons, one for each name; its value is the index.

    (JupyterLab takes the keys that a list would need.)
    """
    options = [(f"{i}. {name}", i - 1) for i, name in enumerate(names, 1)]
    style = LABEL | {"button_width": "min(36em, 100% - 4px)"}
    layout = {"max_width": "100%"}
    how = {"description": description, "style": style, "layout": layout}
    return widgets.ToggleButtons(options=options, value=0, **how)


def as_html(first: str, *others: str) -> str:
    """Plain text as HTML, a line each, the first one bold."""
    return "<br>".join([f"<b>{html.escape(first)}</b>", *(html.escape(line) for line in others)])
