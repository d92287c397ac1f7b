"""A screen of its own for windows, and a person who sits in front of it."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

DEADLINE = 60  # seconds; what is waited for here takes less than two, and a start of a server longer on a busy machine


@contextmanager
def screen(size="1280x1024", dpi=96):
    """Run an X server on a free display number; yield the name of its display."""
    assert shutil.which("Xvfb"), "These tests need a screen: install the Debian package xvfb"
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-dpi", str(dpi), "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as number:
            answer = number.readline().strip()  # written once clients can connect
        assert answer, f"Xvfb did not start: exit status {server.wait()}"
        yield f":{answer}"
    finally:
        server.terminate()
        server.wait()


class Person:
    """Sits at a window, types, presses keys, and waits until something can be seen."""

    def __init__(self, window):
        self.window = window
        self.root = window.root
        self.root.update()
        self.root.focus_force()  # what a window manager does with a new window

    @property
    def state(self):
        return self.window.presenter.state

    @property
    def focused(self):
        """The name of the field that has the keyboard, or the text of the button; None for neither."""
        path = str(self.root.tk.call("focus"))
        for field in self._fields():
            if str(field.entry) == path:
                return field.name
        return next(
            (str(one.cget("text")) for one in self._of_class("TButton", "TMenubutton") if str(one) == path), None
        )

    def press(self, *keys):
        """Press keys, by the names that X has for them, for example Return or Alt-s."""
        for key in keys:
            self.root.update()
            self._strike(key)
        self.root.update()

    def type(self, text):
        """Type a text into whatever has the keyboard."""
        self.root.update()
        for character in text:  # which moves the keyboard nowhere, so the window need not be drawn for each
            self._strike({" ": "space", ".": "period", "-": "minus"}.get(character, character))
        self.root.update()

    def _strike(self, key):
        *modifiers, name = key.split("-")
        pattern = "-".join([*modifiers, "KeyPress", name])
        self.root.tk.call("event", "generate", self.root.tk.call("focus"), f"<{pattern}>")

    def wait_until(self, condition, what):
        """Use the window's own loop until the condition holds; fail after the deadline."""
        until = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < until, f"still waiting after {DEADLINE} s until {what}; {self.state}"
            timer = self.root.after(2, lambda: None)
            self.root.tk.dooneevent(0)
            self.root.after_cancel(timer)
        self.root.update()

    def wait_for(self, text):
        """Wait until a text can be read somewhere in the window or its dialog."""
        self.wait_until(lambda: any(text in shown for shown in self.texts()), f"{text!r} can be read")

    def log_in(self, password="carol"):
        self.wait_until(lambda: self.focused == "password", "a password is asked for")
        self.type(password)
        self.press("Return")
        self.wait_until(lambda: self.state.job and self.focused == "reading", "there is a meter to read")

    def texts(self):
        """All that labels and buttons say at the moment, in windows that are shown."""
        return [str(widget.cget("text")) for widget in self._of_class("TLabel", "TButton", "TMenubutton")]

    def widgets(self):
        """All widgets that can be seen."""
        waiting = [self.root]
        while waiting:
            widget = waiting.pop()
            if widget.winfo_viewable():
                yield widget
                waiting += widget.winfo_children()

    def button(self, text):
        """The button that can be seen and says so."""
        return next(button for button in self._of_class("TButton") if str(button.cget("text")) == text)

    def is_enabled(self, text):
        return not self.button(text).instate(["disabled"])

    def see_everything(self):
        """Wait until nothing is cut off; fail with what is."""
        self.see_everything_but()

    def see_everything_but(self, *scrolled):
        """Wait until nothing is cut off but these fields, whose texts are too long for them; fail with what is."""
        cut_off = []

        def nothing():
            self.root.update()  # to look at everything after each event would take longer than all events
            seen = (widget for widget in self.widgets() if widget not in scrolled)
            cut_off[:] = [_describe(widget) for widget in seen if not _is_whole(widget)]
            return not cut_off

        self.wait_until(nothing, cut_off)

    @property
    def letters(self):
        """How large the running text is, in points."""
        text = self.root.tk.call("ttk::style", "lookup", ".", "-font")
        return self.root.tk.call("font", "configure", text, "-size")

    def use_font(self, family):
        """Show everything in another font than the desktop has chosen."""
        for name in self.root.tk.call("font", "names"):
            self.root.tk.call("font", "configure", name, "-family", family)

    def _of_class(self, *names):
        return (widget for widget in self.widgets() if widget.winfo_class() in names)

    def _fields(self):
        reading = self.window.reading
        dialogs = self.window._dialogs.values()
        return [reading.reading, reading.reason, *(field for one in dialogs for field in one.form.fields.values())]


def _describe(widget):
    text = widget.cget("text") if widget.winfo_class() in ("TLabel", "TButton", "TMenubutton") else ""
    return (
        f"{widget} {text} {widget.winfo_width()}x{widget.winfo_height()}+{widget.winfo_rootx()}+{widget.winfo_rooty()}"
    )


def _is_whole(widget):
    """Tell whether all of it can be seen, and all that it says."""
    width, height = widget.winfo_width(), widget.winfo_height()
    if not _is_inside(widget):
        return False
    match widget.winfo_class():
        case "TLabel" if widget.cget("width"):  # it wraps its text
            return 0 < int(str(widget.cget("wraplength"))) <= width and height >= widget.winfo_reqheight()
        case "TLabel" | "TButton" | "TMenubutton" | "TProgressbar":
            return width >= widget.winfo_reqwidth() and height >= widget.winfo_reqheight()
        case "TEntry" | "TCombobox":
            return widget.xview() == (0.0, 1.0) and height >= widget.winfo_reqheight()
        case _:
            return True


def _is_inside(widget):
    """Tell whether it lies within its parent, or a window within the screen."""
    x, y = widget.winfo_rootx(), widget.winfo_rooty()
    if widget is widget.winfo_toplevel():
        width, height = widget.winfo_screenwidth(), widget.winfo_screenheight()
    else:
        x, y = x - widget.master.winfo_rootx(), y - widget.master.winfo_rooty()
        width, height = widget.master.winfo_width(), widget.master.winfo_height()
    return x >= 0 and y >= 0 and x + widget.winfo_width() <= width and y + widget.winfo_height() <= height
