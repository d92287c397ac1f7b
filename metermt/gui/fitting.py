"""Windows that fit the screen, whatever the font and the texts are."""

import tkinter as tk
from collections.abc import Callable

from metermt.gui.theme import Theme

_A_MOMENT = 1  # millisecond: a timer waits until the queue of events is empty


class Fitting:
    """Sees to it that all of one window can be seen.

    A window is never smaller than what stands in it, unless the screen is. Then fields become narrower and labels wrap
    by themselves, and for the height that this takes letters become smaller, the largest ones first.
    """

    def __init__(self, window: tk.Tk | tk.Toplevel, theme: Theme) -> None:
        self._window = window
        self._theme = theme
        self._size = (0, 0)
        self._timer = ""
        for event in ("<Configure>", "<Map>"):  # of the window, and of all that is in it
            window.bind(event, lambda _event: self._wait(self._lay_out), add="+")

    def _wait(self, step: Callable[[], None]) -> None:
        if self._timer:
            self._window.after_cancel(self._timer)
        self._timer = self._window.after(_A_MOMENT, step)

    def _lay_out(self) -> None:
        """Let everything take its place. If that changes a size there is an event, and the waiting begins anew."""
        self._window.update_idletasks()
        self._wait(self._fit)

    def _fit(self) -> None:
        self._timer = ""
        window = self._window
        widest, highest = window.maxsize()  # the screen, without what the frame of a window takes
        needed = window.winfo_reqheight()
        width, height = min(window.winfo_reqwidth(), widest), min(needed, highest)
        if window.resizable()[0]:
            window.minsize(width, height)
            if window.winfo_width() < width or window.winfo_height() < height:
                window.geometry(f"{max(width, window.winfo_width())}x{max(height, window.winfo_height())}")
        if not window.winfo_viewable() or window.winfo_width() < width:
            return  # labels wrap anew when it has its width
        if needed > highest and self._theme.shrink():
            self._wait(self._lay_out)
        self._move()

    def _move(self) -> None:
        """Move a window back that has grown over the edge of the screen. Where somebody puts it there it stays."""
        window = self._window
        size = width, height = window.winfo_width(), window.winfo_height()
        right = max(0, window.winfo_rootx() + width - window.winfo_screenwidth())
        below = max(0, window.winfo_rooty() + height - window.winfo_screenheight())
        if size != self._size and (right or below):
            window.geometry(f"+{max(0, window.winfo_x() - right)}+{max(0, window.winfo_y() - below)}")
        self._size = size
