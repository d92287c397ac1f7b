"""The first account of a database that has none."""

import tkinter as tk
from dataclasses import replace

from metermt.gui.presenter import Presenter
from metermt.gui.state import State
from metermt.gui.views.dialog import FormDialog
from metermt.gui.views.form import FieldSpec
from metermt.passwords import SHORT


class AccountDialog(FormDialog):
    """Asks for user name, full name, and the password twice."""

    def __init__(self, root: tk.Tk, presenter: Presenter) -> None:
        super().__init__(root, "Create the first account", presenter.edit, presenter.leave, columns=2)
        for spec in (
            FieldSpec(name="username", label="User name", hint="Small letters, like carol"),
            FieldSpec(name="full_name", label="Full name"),
            FieldSpec(name="password", label="Password", secret=True, hint=f"Better {SHORT} or longer"),
            FieldSpec(name="again", label="Password again", underline=9, secret=True),
        ):
            self.form.add_field(spec)
        self._create = self.form.add_button("Create", presenter.create_account, main=True)
        self.form.add_button("Quit", presenter.leave)
        for field in self.form.fields.values():
            field.entry.bind("<Return>", lambda _event: self._create.invoke())

    def draw(self, state: State) -> None:
        """Show the state, and what is wrong with the fields as they are typed."""
        super().draw(replace(state, faults={**state.typed.account_faults, **state.faults}))
        self._create.state(["!disabled" if state.can_create else "disabled"])
