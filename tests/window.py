"""A screen of its own for windows, and a person who sits in front of it."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

DEADLINE = 5  # seconds; what is waited for here takes less than two


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
        return next((str(one.cget("text")) for one in self._of_class("TButton") if str(one) == path), None)

    def press(self, *keys):
        """Press keys, by the names that X has for them, for example Return or Alt-s."""
        for key in keys:
            self.root.update()
            *modifiers, name = key.split("-")
            pattern = "-".join([*modifiers, "KeyPress", name])
            self.root.tk.call("event", "generate", self.root.tk.call("focus"), f"<{pattern}>")
        self.root.update()

    def type(self, text):
        """Type a text into whatever has the keyboard."""
        self.press(*({" ": "space", ".": "period"}.get(character, character) for character in text))

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
        return [str(widget.cget("text")) for widget in self._of_class("TLabel", "TButton")]

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

    def cut_off(self):
        """What can be seen and has less room than it needs, or lies outside its window."""
        return [
            f"{widget} {widget.cget('text') if widget.winfo_class() in ('TLabel', 'TButton') else ''}"
            for widget in self.widgets()
            if widget.winfo_class() not in ("Listbox", "Menu") and not _has_room(widget)
        ]

    def _of_class(self, *names):
        return (widget for widget in self.widgets() if widget.winfo_class() in names)

    def _fields(self):
        reading = self.window.reading
        dialogs = self.window._dialogs.values()
        return [reading.reading, reading.reason, *(field for one in dialogs for field in one.form.fields.values())]


def _has_room(widget):
    top = widget.winfo_toplevel()
    right = widget.winfo_rootx() - top.winfo_rootx() + widget.winfo_width()
    bottom = widget.winfo_rooty() - top.winfo_rooty() + widget.winfo_height()
    return (
        widget.winfo_width() >= widget.winfo_reqwidth()
        and widget.winfo_height() >= widget.winfo_reqheight()
        and right <= top.winfo_width()
        and bottom <= top.winfo_height()
    )
