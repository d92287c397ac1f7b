"""A button with a menu: what a reader wants now and then."""

import tkinter as tk
from tkinter import ttk

from metermt.gui.reports import ReportPresenter
from metermt.gui.theme import BLUE, BODY, GAP, SHEET, TEXT
from metermt.gui.views.form import on_alt

_WIDTH = 6  # characters: the word, and room between it and the arrow


class MoreButton(ttk.Menubutton):
    """Opens a menu by a click, or by Enter while it has the keyboard; each of its lines has a key of its own too."""

    def __init__(self, parent: tk.Misc, presenter: ReportPresenter) -> None:
        super().__init__(parent, text="More", underline=0, width=_WIDTH)
        self.menu = tk.Menu(self, tearoff=False, font=BODY, background=SHEET, foreground=TEXT)
        self.menu.configure(activebackground=BLUE, activeforeground=SHEET, activeborderwidth=GAP // 2)
        self.menu.configure(borderwidth=1, relief="solid")
        self.configure(menu=self.menu)
        self._before: tk.Misc | None = None
        self.menu.bind("<Unmap>", lambda _event: self._give_back())
        window = parent.winfo_toplevel()
        for label, underline, action in (
            ("Find a meter, or see what is left", 0, presenter.look),
            ("Correct my last reading", 0, presenter.correct),
            ("Note about this place", 0, presenter.write_note),
            ("Unlisted meter: tell the office", 0, presenter.describe_found),
            ("Exchanged: another meter hangs here", 1, presenter.describe_exchange),
            ("Log out for the next reader", 0, presenter.log_out),
        ):
            key = f"Alt+{label[underline].upper()}"
            self.menu.add_command(label=label, underline=underline, accelerator=key, command=action)
            on_alt(window, label, underline, action)
        self.bind("<Return>", lambda _event: self._open())
        for key in ("<Alt-m>", "<Alt-M>"):
            window.bind(key, lambda _event: self._open(), add="+")  # there is one in each view

    def _open(self) -> None:
        if self.winfo_viewable():
            self._before = self.focus_get()
            self.focus_set()  # keys go to whatever has the keyboard
            self.event_generate("<space>")  # which opens it

    def _give_back(self) -> None:
        """Let who has closed the menu go on typing where they were, unless what they chose has the keyboard now."""
        before, self._before = self._before, None
        if before and self.focus_get() is self:
            before.focus_set()
