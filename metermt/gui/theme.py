"""Fonts, colours and distances of the window."""

import tkinter as tk
from tkinter import font, ttk

import sv_ttk

BODY = "SunValleyBodyFont"  # sv_ttk's own name: its entries and buttons follow it
HEADING, LARGE, ENTRY = "MeterHeading", "MeterLarge", "MeterEntry"
_SIZES = {BODY: 11, HEADING: 15, LARGE: 25, ENTRY: 16}
"""In points, so that they follow the resolution of the screen."""
_SMALLEST = 8  # points; what is smaller nobody can read
_BOLD = {HEADING, LARGE}
_ZOOMS = (1.0, 1.25, 1.5, 1.75, 2.0)

GAP = 8
"""Pixels between things that belong together; between others a multiple of it."""

BACKGROUND, SHEET, NOTE = "#f3f3f3", "#ffffff", "#fff4ce"
TEXT, MUTED, RED, GREEN, BLUE = (
    "#1c1c1c",
    "#5d5d5d",
    "#b3261e",
    "#0b6a0b",
    "#005fb8",
)  # each at least 4.5 to 1 on all three above


class Theme:
    """The look of one window. Ctrl with plus, minus or 0 makes its letters larger, smaller or as they were."""

    def __init__(self, root: tk.Tk) -> None:
        sv_ttk.set_theme("light", root)
        family = font.nametofont("TkDefaultFont", root).actual("family")  # what the desktop has chosen
        existing = font.names(root)
        for name in _SIZES:
            weight = "bold" if name in _BOLD else "normal"
            action = "configure" if name in existing else "create"
            root.tk.call("font", action, name, "-family", family, "-weight", weight)
        self._root = root
        self._zoom = 1.0
        self.zoom_to(1.0)
        _configure_styles(root)
        for keys, step in (("plus", 1), ("equal", 1), ("KP_Add", 1), ("minus", -1), ("KP_Subtract", -1)):
            root.bind_all(f"<Control-{keys}>", lambda _event, step=step: self._zoom_by(step))  # type: ignore[misc]
        root.bind_all("<Control-Key-0>", lambda _event: self.zoom_to(1.0))

    def zoom_to(self, zoom: float) -> None:
        """Make all letters so many times their usual size."""
        self._zoom = zoom
        self._limit_to(max(_SIZES.values()) * zoom)

    def shrink(self) -> bool:
        """Make the largest letters smaller, those of the running text last. False if they cannot be smaller."""
        text = _SIZES[BODY] * self._zoom
        smaller = max(self._limit * 0.9, text) if self._limit > text else self._limit - 1
        if smaller < _SMALLEST:
            return False
        self._limit_to(smaller)
        return True

    def restore(self) -> None:
        """Make all letters as large as was asked for."""
        if self._limit < max(_SIZES.values()) * self._zoom:
            self.zoom_to(self._zoom)

    def _limit_to(self, limit: float) -> None:
        self._limit = limit
        for name, points in _SIZES.items():
            self._root.tk.call("font", "configure", name, "-size", round(min(points * self._zoom, limit)))

    def _zoom_by(self, step: int) -> None:
        place = _ZOOMS.index(self._zoom) + step
        self.zoom_to(_ZOOMS[min(max(place, 0), len(_ZOOMS) - 1)])


def _configure_styles(root: tk.Tk) -> None:
    # sv_ttk would set a palette as soon as the window is idle, and that goes before the styles of labels.
    root.unbind_class(root.winfo_class(), "<<ThemeChanged>>")
    root.unbind_class("Menu", "<<ThemeChanged>>")  # nor a grey of its own for menus
    root.configure(background=BACKGROUND)
    root.option_add("*TCombobox*Listbox.font", BODY)
    root.option_add("*TCombobox*Listbox.background", SHEET)
    root.option_add("*TCombobox*Listbox.foreground", TEXT)
    root.option_add("*TCombobox*Listbox.selectBackground", BLUE)
    root.option_add("*TCombobox*Listbox.selectForeground", SHEET)
    style = ttk.Style(root)
    style.configure(".", background=BACKGROUND, foreground=TEXT, font=BODY, borderwidth=0, relief="flat")
    style.configure(".", selectbackground=BLUE, selectforeground=SHEET, insertcolor=TEXT, insertwidth=1)
    for button in ("TButton", "Accent.TButton", "TMenubutton"):
        style.configure(button, padding=(2 * GAP, GAP // 2))
    for ground, colour in (("", BACKGROUND), ("Sheet.", SHEET), ("Note.", NOTE)):
        style.configure(f"{ground}TFrame", background=colour)
        style.configure(f"{ground}TLabel", background=colour)
        style.configure(f"Muted.{ground}TLabel", background=colour, foreground=MUTED)
        style.configure(f"Fault.{ground}TLabel", background=colour, foreground=RED)
        style.configure(f"Good.{ground}TLabel", background=colour, foreground=GREEN)
        style.configure(f"Heading.{ground}TLabel", background=colour, font=HEADING)
        style.configure(f"Large.{ground}TLabel", background=colour, font=LARGE)
