"""What is left on the route, and a search for a meter."""

import tkinter as tk
from tkinter import ttk

from metermt.gui.rounds import RoundPresenter
from metermt.gui.state import State
from metermt.gui.theme import BLUE, BODY, GAP, MUTED, SHEET, TEXT
from metermt.gui.views.dialog import FormDialog
from metermt.gui.views.form import FieldSpec, WrappedLabel
from metermt.stops import Found, Stop

_ROWS = 6  # that can be seen at once, also on a low screen


class FindDialog(FormDialog):
    """A field for what is sought, and what was found: Enter in the field searches, Enter in the list reads that one."""

    def __init__(self, root: tk.Tk, presenter: RoundPresenter) -> None:
        super().__init__(root, "Find a meter", presenter.edit, presenter.come_back)
        self._presenter = presenter
        self._found = Found([])
        self._more = self._username = ""
        self.form.add_field(FieldSpec(name="sought", label="Number or address, or a part of it"))
        self._title = WrappedLabel(self.form, "TLabel")
        self._title.grid(row=49, sticky="ew", pady=(0, GAP // 2))
        frame = ttk.Frame(self.form)
        frame.grid(row=50, sticky="ew")
        frame.columnconfigure(0, weight=1)
        self.list = tk.Listbox(frame, height=_ROWS, font=BODY, activestyle="none", exportselection=False)
        self.list.configure(background=SHEET, foreground=TEXT, selectbackground=BLUE, selectforeground=SHEET)
        self.list.configure(borderwidth=GAP // 2, relief="flat", highlightthickness=1)
        self.list.configure(highlightbackground=MUTED, highlightcolor=BLUE)
        self.list.grid(row=0, column=0, sticky="ew")
        bar = ttk.Scrollbar(frame, command=self.list.yview)
        bar.grid(row=0, column=1, sticky="ns")
        self.list.configure(yscrollcommand=bar.set)
        self._whole = WrappedLabel(self.form, "Muted.TLabel")  # of a line that may be too long for the list
        self._whole.grid(row=51, sticky="ew", pady=(GAP, 0))
        self.form.add_button("Find", presenter.search, main=True)
        self._read = self.form.add_button("Read this one", self._take)
        self.form.add_button("Back", presenter.come_back)
        entry = self.form.fields["sought"].entry
        entry.bind("<Return>", lambda _event: presenter.search())
        entry.bind("<Down>", lambda _event: self._into_list())
        self.list.bind("<<ListboxSelect>>", lambda _event: self._show_whole())
        for event in ("<Return>", "<Double-Button-1>"):
            self.list.bind(event, lambda _event: self._take())

    @property
    def chosen(self) -> Stop | None:
        """The meter that is marked in the list."""
        marked = self.list.curselection()  # type: ignore[no-untyped-call]
        return self._found.stops[marked[0]] if marked else None

    def draw(self, state: State) -> None:
        """Show what was found."""
        super().draw(state)
        if state.found is not self._found:
            self._found = state.found
            self.list.delete(0, "end")
            for stop in state.found.stops:
                self.list.insert("end", _line(stop, state.username))
            if state.found.stops:
                self.list.selection_set(0)
        self._title.draw(state.found_title)
        self._more = "There are more: type more of it. " if state.found.more else ""
        self._username = state.username
        self._show_whole()
        self._read.state(["!disabled" if self.chosen and not state.doing else "disabled"])

    def _show_whole(self) -> None:
        stop = self.chosen
        where = f"Route {stop.job.route}, stop {stop.job.sequence}" if stop and stop.job.route else ""
        parts = (where, stop.job.meter.address, stop.note(self._username)) if stop else ()
        self._whole.draw(self._more + " · ".join(filter(None, parts)) or " ")

    def _into_list(self) -> str:
        self.list.focus_set()
        return "break"

    def _take(self) -> None:
        if stop := self.chosen:
            self._presenter.take(stop)


def _line(stop: Stop, username: str) -> str:
    return ", ".join(filter(None, (stop.job.meter.number, stop.job.meter.address, stop.note(username))))
