"""Who is there?"""

import tkinter as tk

from metermt.gui.presenter import Presenter
from metermt.gui.state import State
from metermt.gui.views.dialog import FormDialog
from metermt.gui.views.form import FieldSpec


class LoginDialog(FormDialog):
    """Asks for user name and password."""

    def __init__(self, root: tk.Tk, presenter: Presenter) -> None:
        super().__init__(root, "Log in", presenter.edit, presenter.leave)
        self.form.add_field(FieldSpec(name="username", label="User name"))
        self.form.add_field(FieldSpec(name="password", label="Password", secret=True))
        self._ok = self.form.add_button("OK", presenter.log_in, main=True)
        self.form.add_button("Quit", presenter.leave)
        for field in self.form.fields.values():
            field.entry.bind("<Return>", lambda _event: self._ok.invoke())

    def draw(self, state: State) -> None:
        """Show the state."""
        super().draw(state)
        self._ok.state(["!disabled" if state.can_log_in else "disabled"])
