"""The meter to read, and the answer to it."""

import tkinter as tk
from tkinter import ttk

from metermt.gui.reports import ReportPresenter
from metermt.gui.state import ANYWHERE, METER, State
from metermt.gui.theme import ENTRY, GAP
from metermt.gui.views.form import Field, FieldSpec, WrappedLabel, make_button, share_room
from metermt.gui.views.more import MoreButton
from metermt.gui.views.reasons import ReasonField
from metermt.model import KINDS, MAX_DIALS, Job


class ReadingView(ttk.Frame):
    """The meter, the fields for reading and reason, and the buttons."""

    def __init__(self, parent: tk.Misc, presenter: ReportPresenter) -> None:
        super().__init__(parent, style="Sheet.TFrame", padding=(3 * GAP, GAP))
        self._presenter = presenter
        self._turn = 0
        self.columnconfigure(0, weight=1)
        self.columnconfigure(1, weight=1)
        for row, share in ((0, 1), (6, 1), (13, 4)):  # of the room that is left: above, between and below
            self.rowconfigure(row, weight=share)
        self._meter = self._line("Large.Sheet.TLabel", 1)
        self._address = self._line("Heading.Sheet.TLabel", 2)
        self._route = self._line("Muted.Sheet.TLabel", 3)
        self._trouble_with_meter = self._line("Fault.Sheet.TLabel", 4)
        self._instructions = self._line("Note.TLabel", 5, padding=(GAP, GAP // 2))
        self.rowconfigure(6, minsize=GAP)
        self._aside = self._line("Note.TLabel", 7, padding=(GAP, GAP // 2))
        self._aside.grid(pady=(0, GAP))

        reading = FieldSpec(name="reading", label="Reading", font=ENTRY)
        self.reading = Field(self, reading, presenter.edit, ground="Sheet.")
        self.reading.entry.configure(width=MAX_DIALS)
        self.reading.place(row=8)
        self.reason = ReasonField(self, presenter.edit)
        self.reason.entry.bind("<Configure>", self._keep_reasons_whole, add="+")
        self.reason.place(row=8, column=1, padx=(2 * GAP, 0))

        self._trouble = self._line("Fault.Sheet.TLabel", 11)
        buttons = ttk.Frame(self, style="Sheet.TFrame")
        buttons.grid(row=12, column=0, columnspan=2, sticky="w", pady=(GAP, 0))
        self.submit = make_button(buttons, "Submit", presenter.submit, main=True)
        self.retry = make_button(buttons, "Retry", presenter.retry, underline=2)
        self.skip = make_button(buttons, "Skip", presenter.skip, underline=1)
        self.more = MoreButton(buttons, presenter)
        for button in (self.submit, self.skip, self.more, make_button(buttons, "Quit", presenter.leave)):
            button.pack(side="left", padx=(0, GAP))
        self._is_locked = False
        for field in (self.reading, self.reason):
            field.entry.bind("<Key>", self._key_pressed, add="+")
            for command in ("<Alt-Key>", "<Control-Key>"):  # these type nothing
                field.entry.bind(command, lambda _event: None)
            field.entry.bind("<Return>", lambda _event: self._enter())
            field.entry.bind("<Button-1>", lambda _event: presenter.unlock())

    def draw(self, state: State) -> None:
        """Show the state."""
        if state.job:
            self._draw_job(state.job)
        self._trouble_with_meter.draw(state.faults.get(METER, ""))
        self.reading.draw(state.typed.reading, state.faults.get("reading", ""), locked=state.is_locked)
        self.reason.draw_reason(state)
        share_room(self.reading, self.reason)
        self._is_locked = state.is_locked
        self._aside.draw(state.aside)
        self.skip.configure(text="Back" if state.aside else "Skip", underline=3 if state.aside else 1)
        for button in (self.skip, self.more):
            button.state(["disabled" if state.is_locked else "!disabled"])
        self._trouble.draw("" if state.dialog else state.faults.get(ANYWHERE, ""))
        self.submit.state(["!disabled" if state.can_submit else "disabled"])
        if state.can_retry:
            self.retry.pack(after=self.submit, side="left", padx=(0, GAP))
        else:
            self.retry.pack_forget()
        if state.focus_turn != self._turn and not state.front:
            self._turn = state.focus_turn
            for field in (self.reading, self.reason):
                if field.name == state.focus:
                    field.focus()

    def _draw_job(self, job: Job) -> None:
        self._meter.draw(job.meter.number)
        self._address.draw(job.meter.address)
        kind = f"{KINDS[job.meter.kind]} meter" if job.meter.kind else ""
        route = f"Route {job.route}, stop {job.sequence}" if job.route else ""
        self._route.draw(" · ".join(filter(None, (route, kind))))
        self._instructions.draw("\n".join(filter(None, (job.meter.instructions, job.note, job.expected))))

    def _key_pressed(self, event: "tk.Event[tk.Misc]") -> None:
        if self._is_locked and event.char.isprintable() and event.char:
            self._presenter.refuse_key()

    def _enter(self) -> None:
        """Submit. Where keys were refused it is the first Enter after them, and ends that."""
        if self._presenter.state.keys_refused:
            self._presenter.unlock()
        else:
            self.submit.invoke()

    def _keep_reasons_whole(self, _event: "tk.Event[tk.Misc]") -> None:
        """Where there is little room it is the other field that becomes narrower."""
        self.columnconfigure(1, minsize=self.reason.entry.winfo_reqwidth() + 2 * GAP)

    def _line(self, style: str, row: int, *, padding: tuple[int, int] = (0, 0)) -> WrappedLabel:
        label = WrappedLabel(self, style, padding=padding)
        label.grid(row=row, column=0, columnspan=2, sticky="ew", pady=(0, GAP // 2))
        return label
