"""The line at the bottom of the window."""

import tkinter as tk
from tkinter import ttk

from metermt.gui.state import State
from metermt.gui.theme import GAP
from metermt.gui.views.form import WrappedLabel


class StatusLine(ttk.Frame):
    """What was accepted last or is being waited for, and how far the route is, or how many meters are read."""

    def __init__(self, parent: tk.Misc) -> None:
        super().__init__(parent, padding=(3 * GAP, GAP // 2))
        self.columnconfigure(0, weight=1)
        self._news = WrappedLabel(self, "Good.TLabel")
        self._news.grid(row=0, column=0, sticky="ew", padx=(0, GAP))
        self._count = ttk.Label(self, style="Muted.TLabel")
        self._count.grid(row=0, column=1, sticky="e")

    def draw(self, state: State) -> None:
        """Show the state."""
        self._news.configure(style="Muted.TLabel" if state.slow else "Good.TLabel")
        self._news.draw(state.waiting or state.notice)
        self._count.configure(text=_how_far(state))


def _how_far(state: State) -> str:
    if state.counts:
        return f"Route {state.counts.route}: {state.counts.done} of {state.counts.total}"
    return f"Read {state.status.count}/{state.status.total}" if state.status else ""
