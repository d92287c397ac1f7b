"""A question that must be answered before the window can be used again."""

import tkinter as tk
from functools import partial
from itertools import pairwise

from metermt.gui.presenter import Presenter
from metermt.gui.questions import Asking
from metermt.gui.state import NOTHING, State
from metermt.gui.views.dialog import FormDialog

_WIDTH = 46  # characters in a line: as in the other dialogs


class QuestionDialog(FormDialog):
    """Asks questions of one kind. Enter gives the first answer unless another one has the keyboard."""

    def __init__(self, root: tk.Tk, presenter: Presenter, asking: Asking) -> None:
        super().__init__(root, asking.heading, presenter.edit, partial(presenter.choose, asking.escape))
        self._hint.configure(style="TLabel", width=_WIDTH)
        self._buttons = [
            self.form.add_button(
                choice.text, partial(presenter.choose, number), underline=choice.underline, main=not number
            )
            for number, choice in enumerate(asking.choices)
        ]
        for left, right in pairwise(self._buttons):
            left.bind("<Right>", lambda _event, to=right: to.focus_set())  # type: ignore[misc]
            right.bind("<Left>", lambda _event, to=left: to.focus_set())  # type: ignore[misc]

    def show(self) -> None:
        """Put it over the window."""
        if self.window.state() == "withdrawn":
            self._last = self._buttons[0]
        super().show()

    def draw(self, state: State) -> None:
        """Show the question."""
        if state.question:
            self._hint.draw(state.question.text)
        self._waiting.draw(state.waiting)
        self.form.draw(state.typed, NOTHING, locked=False)
