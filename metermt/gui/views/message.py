"""A word that fills the window while there is no meter to read."""

import tkinter as tk
from tkinter import ttk

from metermt.gui.reports import ReportPresenter
from metermt.gui.state import ANYWHERE, Screen, State
from metermt.gui.theme import GAP
from metermt.gui.views.form import WrappedLabel, make_button
from metermt.gui.views.more import MoreButton


class MessageView(ttk.Frame):
    """What is going on, what went wrong, and what can be done about it."""

    def __init__(self, parent: tk.Misc, presenter: ReportPresenter) -> None:
        super().__init__(parent, padding=3 * GAP)
        self._turn = 0
        self.columnconfigure(0, weight=1)
        self.rowconfigure(0, weight=1)
        self.rowconfigure(9, weight=2)
        self._heading = WrappedLabel(self, "Heading.TLabel")
        self._heading.grid(row=1, column=0, sticky="ew")
        self._text = WrappedLabel(self, "Muted.TLabel")
        self._text.grid(row=2, column=0, sticky="ew", pady=(GAP, 0))
        self._fault = WrappedLabel(self, "Fault.TLabel")
        self._fault.grid(row=3, column=0, sticky="ew", pady=(GAP, 0))
        for label in (self._heading, self._text, self._fault):
            label.configure(anchor="center", justify="center")
        self._progress = ttk.Progressbar(self, mode="indeterminate", length=20 * GAP)
        self._progress.grid(row=4, column=0, pady=(3 * GAP, 0))
        buttons = ttk.Frame(self)
        buttons.grid(row=5, column=0, pady=(3 * GAP, 0))
        self.retry = make_button(buttons, "Retry", presenter.retry, underline=2, main=True)
        self.more = MoreButton(buttons, presenter)
        for button in (self.retry, self.more, make_button(buttons, "Quit", presenter.leave)):
            button.pack(side="left", padx=GAP // 2)

    def draw(self, state: State) -> None:
        """Show the state."""
        done = state.screen is Screen.DONE
        fault = "" if state.dialog else state.faults.get(ANYWHERE, "")
        heading, text = state.ending if done else ("MeterMT", "")
        self._heading.draw(heading)
        self._text.draw("" if fault else state.doing or text)
        self._fault.draw(fault)
        if state.doing and not state.dialog:
            self._progress.grid()
            self._progress.start()
        else:
            self._progress.stop()
            self._progress.grid_remove()
        self.retry.state(["!disabled" if state.can_retry and not state.dialog else "disabled"])
        if done:
            self.more.pack(after=self.retry, side="left", padx=GAP // 2)
        else:
            self.more.pack_forget()
        if state.focus_turn != self._turn and not state.front:
            self._turn = state.focus_turn
            self.retry.focus_set()
