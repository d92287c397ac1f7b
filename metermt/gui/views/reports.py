"""What a reader tells the office: a note about a place, a meter that is on no list, and one that was exchanged."""

import tkinter as tk
from collections.abc import Callable

from metermt.fieldnotes import MAX_NOTE
from metermt.gui.reports import ReportPresenter
from metermt.gui.state import State
from metermt.gui.typed import KIND_NAMES
from metermt.gui.views.dialog import FormDialog
from metermt.gui.views.form import FieldSpec


class _ReportDialog(FormDialog):
    """Fields, and a button that sends them; Enter in a field does so too. What was typed stays on the way back."""

    def __init__(
        self,
        root: tk.Tk,
        presenter: ReportPresenter,
        heading: str,
        send: Callable[[], None],
        *specs: FieldSpec,
        columns: int = 1,
    ) -> None:
        super().__init__(root, heading, presenter.edit, presenter.come_back, columns=columns)
        for spec in specs:
            self.form.add_field(spec)
        self._send = self.form.add_button("Send", send, main=True)
        self.form.add_button("Back", presenter.come_back)
        for field in self.form.fields.values():
            field.entry.bind("<Return>", lambda _event: send())

    def draw(self, state: State) -> None:
        """Show the state."""
        super().draw(state)
        self._send.state(["disabled" if state.doing else "!disabled"])


class NoteDialog(_ReportDialog):
    """Asks for a note about the place of the meter that is shown."""

    def __init__(self, root: tk.Tk, presenter: ReportPresenter) -> None:
        hint = f"For the next reader and the office; up to {MAX_NOTE} characters"
        note = FieldSpec(name="note", label="Note", hint=hint)
        super().__init__(root, presenter, "Leave a note", presenter.leave_note, note)


class FoundDialog(_ReportDialog):
    """Asks for a meter that was found: number, kind, digits, reading, and where it hangs."""

    def __init__(self, root: tk.Tk, presenter: ReportPresenter) -> None:
        super().__init__(
            root,
            presenter,
            "Unlisted meter",
            presenter.report_found,
            FieldSpec(name="number", label="Number"),
            FieldSpec(name="kind", label="Kind", choices=KIND_NAMES),
            FieldSpec(name="dials", label="Dials (digits)"),
            FieldSpec(name="shows", label="Reading"),
            FieldSpec(name="where", label="Where it hangs", wide=True),
            columns=3,
        )


class ExchangedDialog(_ReportDialog):
    """Asks for the device that hangs here now, and what both have shown."""

    def __init__(self, root: tk.Tk, presenter: ReportPresenter) -> None:
        super().__init__(
            root,
            presenter,
            "Exchanged meter",
            presenter.tell_of_exchange,
            FieldSpec(name="new", label="New number"),
            FieldSpec(name="initial", label="Its first value", hint="Empty for 0"),
            FieldSpec(name="new_dials", label="Dials (digits)", hint="Empty if as before"),
            FieldSpec(name="final", label="Old last value", hint="Empty if unknown"),
            FieldSpec(name="on", label="Day", underline=1, hint="Empty for today"),
            columns=3,
        )
