"""The line at the bottom of the window."""

import tkinter as tk
from tkinter import ttk

from metermt.gui.state import State
from metermt.gui.theme import GAP


class StatusLine(ttk.Frame):
    """What was accepted last or is being waited for, and how many meters are read."""

    def __init__(self, parent: tk.Misc) -> None:
        super().__init__(parent, padding=(3 * GAP, GAP // 2))
        self._news = ttk.Label(self)
        self._news.pack(side="left")
        self._count = ttk.Label(self, style="Muted.TLabel")
        self._count.pack(side="right")

    def draw(self, state: State) -> None:
        """Show the state."""
        self._news.configure(text=state.waiting or state.notice, style="Muted.TLabel" if state.slow else "Good.TLabel")
        self._count.configure(text=f"Read {state.status.count}/{state.status.total}" if state.status else "")
