"""The reason why there is no reading: a field that takes any words, and a list to choose from."""

import tkinter as tk
from collections.abc import Sequence
from tkinter import font, ttk

from metermt.fieldnotes import Reason
from metermt.gui.state import State
from metermt.gui.theme import BODY, GAP
from metermt.gui.typed import READ
from metermt.gui.views.form import Edit, Field, FieldSpec, WrappedLabel

_WHEEL = ("<MouseWheel>", "<Button-4>", "<Button-5>")
_WIDTH = 20  # characters
_ROWS = 9  # that can be seen at once, on a screen that is high enough
_DIGIT_WIDE = "\u2007"  # a blank


class ReasonField(Field):
    """Takes a number of the list, first letters, or other words; what they mean stands above it.

    The Down key opens the list, with the numbers.
    """

    def __init__(self, parent: tk.Misc, edit: Edit) -> None:
        spec = FieldSpec(name="reason", label="Reason", underline=1, choices=(READ,), default=READ)
        super().__init__(parent, spec, edit, ground="Sheet.")
        self._reasons: Sequence[Reason] = ()
        self._texts = [READ]
        self._meant = WrappedLabel(parent, "Muted.Sheet.TLabel")
        assert isinstance(self.entry, ttk.Combobox)
        self._box = self.entry
        self._box.configure(width=_WIDTH, postcommand=self._open)
        self._box.bind("<<ComboboxSelected>>", lambda _event: self._take())
        for turned in _WHEEL:  # a wheel turned by accident would change the answer
            self._box.bind(turned, lambda _event: "break")

    def place(self, *, row: int, column: int = 0, span: int = 1, padx: tuple[int, int] = (0, 0)) -> None:
        """Put the three below each other, and what is meant beside the label."""
        super().place(row=row, column=column, span=span, padx=padx)
        self._meant.grid(row=row, column=column, columnspan=span, sticky="ew")

        def stand_beside(event: "tk.Event[tk.Misc]") -> None:
            self._meant.grid(padx=(padx[0] + event.width + GAP, padx[1]))

        self.label.bind("<Configure>", stand_beside)

    def draw_reason(self, state: State) -> None:
        """Show the list, what was typed, what is wrong with it, or else what it means."""
        if state.reasons is not self._reasons:
            self._reasons = state.reasons
            self._texts = [READ, *(reason.text for reason in state.reasons)]
            self._box.configure(values=[_line(*numbered) for numbered in enumerate(self._texts)])
        self._meant.draw(state.reason_meant)
        self.draw(state.typed.reason, state.faults.get(self.name, ""), locked=state.is_locked)

    def _take(self) -> None:
        """Let the field say what was chosen, without its number."""
        place = self._box.current()
        if place >= 0:
            self._box.set(self._texts[place])
            self._box.selection_range(0, "end")

    def _open(self) -> None:
        """Show so many lines as there is room for, below the field or above it, and mark what is in the field."""
        line = font.nametofont(BODY, self._box).metrics("linespace") + GAP // 2
        above = self._box.winfo_rooty()
        below = self._box.winfo_screenheight() - above - self._box.winfo_height()
        self._box.configure(height=max(2, min(_ROWS, max(above, below) // line - 1)))
        if (text := self._box.get()) in self._texts:
            self._box.after_idle(self._mark, self._texts.index(text))

    def _mark(self, place: int) -> None:
        tk_call = self._box.tk.call
        listed = f"{tk_call('ttk::combobox::PopdownWindow', self._box)}.f.l"
        tk_call(listed, "selection", "clear", 0, "end")
        for how in ("selection set", "activate", "see"):
            tk_call(listed, *how.split(), place)


def _line(number: int, text: str) -> str:
    return f"{number or '':>3}".replace(" ", _DIGIT_WIDE) + f"  {text}"
