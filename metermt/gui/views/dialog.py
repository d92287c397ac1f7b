"""A dialog over the window: a form that must be answered before the window can be used again."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from metermt.gui.state import State
from metermt.gui.theme import BACKGROUND, GAP
from metermt.gui.views.form import Edit, Form, WrappedLabel


class FormDialog:
    """A heading, a word from the program, the form, and what is being waited for."""

    def __init__(self, root: tk.Tk, heading: str, edit: Edit, leave: Callable[[], None], *, columns: int = 1) -> None:
        self._root = root
        self.window = tk.Toplevel(root, background=BACKGROUND, class_="MeterMT")
        self.window.withdraw()
        self.window.title(heading)
        self.window.transient(root)
        self.window.resizable(width=False, height=False)
        self.window.maxsize(*self.window.maxsize())  # the screen, without what the frame of a window takes
        self.window.protocol("WM_DELETE_WINDOW", leave)
        self.window.bind("<Visibility>", self._take_over)
        self.window.bind("<Escape>", lambda _event: leave())
        frame = ttk.Frame(self.window, padding=3 * GAP)
        frame.pack(fill="both", expand=True)
        frame.columnconfigure(0, weight=1)
        title = WrappedLabel(frame, "Heading.TLabel")
        title.grid(sticky="ew", pady=(0, 2 * GAP))
        title.draw(heading)
        self._hint = WrappedLabel(frame, "Muted.TLabel")
        self._hint.grid(sticky="ew", pady=(0, 2 * GAP))
        self.form = Form(frame, edit, columns=columns)
        self.form.grid(sticky="nsew")
        self._waiting = WrappedLabel(frame, "Muted.TLabel")
        self._waiting.grid(sticky="ew", pady=(GAP, 0))
        self._turn = 0
        self._is_in_front = False
        self._before = ""  # what had the keyboard before it was shown
        self._last: tk.Misc = self.window  # what had the keyboard last; Tk itself forgets that while nothing is shown
        self.window.bind("<FocusIn>", self._remember)

    def hide(self) -> None:
        """Take it away, and let the window be used.

        What had the keyboard before has it again, unless something else has taken it.
        """
        self._is_in_front = False
        if self.window.state() != "withdrawn":
            if self._before and f"{self._root.tk.call('focus')}.".startswith(f"{self.window}."):
                self._root.tk.call("focus", "-force", self._before)
            self.window.grab_release()
            self.window.withdraw()

    def stand_back(self) -> None:
        """Let a question be answered before it."""
        self._is_in_front = False
        self.window.grab_release()

    def show(self) -> None:
        """Put it over the middle of the window, and keep the keyboard and the mouse in it."""
        self._is_in_front = True
        if self.window.state() == "withdrawn":
            self._before = str(self._root.tk.call("focus"))
            self._root.update_idletasks()
            width, height = self.window.winfo_reqwidth(), self.window.winfo_reqheight()
            x = self._root.winfo_rootx() + max(0, (self._root.winfo_width() - width) // 2)
            y = self._root.winfo_rooty() + max(0, (self._root.winfo_height() - height) // 3)
            self.window.geometry(f"+{x}+{y}")
            self.window.deiconify()
        elif self.window.winfo_viewable() and self.window.grab_status() is None:  # it stood behind a question
            self.window.grab_set()

    def take_keyboard(self) -> None:
        """Give the keyboard to the field that had it last."""
        self._last.focus_set()

    def _take_over(self, event: "tk.Event[tk.Misc]") -> None:
        if event.widget is self.window and self._is_in_front and self.window.grab_status() is None:
            self.window.grab_set()  # neither this nor the next works before it can be seen
            if self._before:  # this program had the keyboard, and keeps it where no window manager sees to that
                self._last.focus_force()
            else:
                self.take_keyboard()

    def _remember(self, event: "tk.Event[tk.Misc]") -> None:
        if event.widget is self.window:
            self._last.focus_set()
        else:
            self._last = event.widget

    def draw(self, state: State) -> None:
        """Show the state, and give the keyboard to the field whose turn it is."""
        self._hint.draw(state.hint)
        self._waiting.draw(state.waiting)
        self.form.draw(state.typed, state.faults, locked=bool(state.doing))
        if state.focus_turn != self._turn and state.focus in self.form.fields:
            self._turn = state.focus_turn
            self.form.fields[state.focus].focus()
            self._last = self.form.fields[state.focus].entry
