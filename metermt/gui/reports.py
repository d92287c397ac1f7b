"""What a reader tells the office besides readings. It does not depend on Tk."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from msgspec import structs

from metermt.client.exchanging import ToldExchange, TypedExchange, find_told, tell_exchange
from metermt.errors import AccountDisabled, ConfirmReading, Error, InvalidReport, SessionError, SubmissionError
from metermt.gui.rounds import RoundPresenter
from metermt.gui.state import ANYWHERE, Dialog
from metermt.gui.typed import NO_EXCHANGE, Typed
from metermt.model import Job
from metermt.stops import Stop

_FIELDS = {"number": "number", "kind": "kind", "dials": "dials", "reading": "shows", "where": "where"}
"""Where a fault of a report stands, by the part of it that is at fault."""
_EXCHANGE = {"new": "new", "final": "final", "initial": "initial", "dials": "new_dials", "on": "on"}
"""The same of an exchange."""


class ReportPresenter(RoundPresenter):
    """Carries out these commands too: leave a note, report a meter that is on no list, or one that was exchanged.

    What was typed stays until it is sent; a note, or an exchange, only as long as its meter is shown.
    """

    _odd_exchange: tuple[str, str, TypedExchange] | None = None
    """The reader, the meter, and what was typed of its exchange: what was asked about last."""

    def write_note(self) -> None:
        """Let the reader write a note about the place of this meter."""
        if not self._is_free:
            return
        if job := self.state.job:
            here = ", ".join(filter(None, (job.meter.number, job.meter.address)))
            now = f"The note there is: {job.note}" if job.note else ""
            self._show(dialog=Dialog.NOTE, hint="\n".join(filter(None, (here, now))))
            self._focus_on("note")
        else:
            self._show(faults={ANYWHERE: "A note is about one meter: find that one first"})

    def leave_note(self) -> None:
        """Send the note."""
        if (job := self.state.job) and not self.state.doing:
            text = self.state.typed.note.strip()
            call = partial(self._connected.leave_note, job.meter.number, text)
            self._run("Sending…", call, partial(self._noted, job, text), self._note_failed, self.leave_note)

    def describe_found(self) -> None:
        """Let the reader describe a meter that is on no list."""
        if self._is_free:
            self._show(dialog=Dialog.FOUND, hint="What you cannot see, leave empty.")
            self._focus_on("number")

    def report_found(self) -> None:
        """Send what was typed of it."""
        if self.state.doing:
            return
        try:
            found = self.state.typed.found
        except InvalidReport as error:
            self._found_failed(error)
            return
        call = partial(self._connected.report_found, *found)
        self._run("Sending…", call, partial(self._reported, found[0]), self._found_failed, self.report_found)

    def describe_exchange(self) -> None:
        """Let the reader say which device hangs here now."""
        if not self._is_free:
            return
        if job := self.state.job:
            self._go_on_to(partial(self._ask_what_hangs_here, job))
        else:
            self._show(faults={ANYWHERE: "An exchange is about one meter: find that one first"})

    def tell_of_exchange(self) -> None:
        """Send what was typed of it."""
        if (job := self.state.job) and not self.state.doing:
            told = self._username, job.meter.number, self.state.typed.exchange
            sure = told == self._odd_exchange  # sent once more as it was asked about
            call = partial(tell_exchange, self._connected, job.meter, told[-1], sure=sure)
            done, failed = partial(self._exchanged, job), partial(self._exchange_failed, told)
            self._run("Sending…", call, done, failed, self.tell_of_exchange)

    def _ask_what_hangs_here(self, job: Job) -> None:
        here = ", ".join(filter(None, (job.meter.number, job.meter.address)))
        self._show(dialog=Dialog.EXCHANGED, hint=f"{here}: another meter hangs here now")
        self._focus_on("new")

    # --- what came of them

    def _noted(self, job: Job, text: str, _nothing: None) -> None:
        self.come_back()
        self._show(notice=f"Noted for {job.meter.number}", typed=replace(self.state.typed, note=""))
        if self.state.job and self._is_here(job):
            self._show(job=structs.replace(self.state.job, note=text))

    def _reported(self, number: str, _nothing: None) -> None:
        self.come_back()
        nothing = Typed()
        emptied = {name: getattr(nothing, name) for name in _FIELDS.values()}
        self._show(notice=f"Reported {number} to the office", typed=replace(self.state.typed, **emptied))

    def _exchanged(self, job: Job, told: ToldExchange) -> None:
        self.come_back()
        self._show(typed=replace(self.state.typed, **NO_EXCHANGE), notice=told.words)
        if self.state.aside:
            self._stay_aside(job, told)
        else:
            self.fetch()

    def _stay_aside(self, job: Job, told: ToldExchange) -> None:
        call, again = partial(find_told, self._connected, told, job.cycle), partial(self._stay_aside, job, told)
        self._run("Asking for the meter…", call, partial(self._stayed, told), self._failed, again)

    def _stayed(self, told: ToldExchange, stop: Stop | None) -> None:
        if stop:
            self._step_aside(stop.job, told.words)
            self._show(notice="")  # it stands above the field now
        else:
            self.fetch()

    def _note_failed(self, error: Error) -> None:
        self._tell_of(error, Dialog.NOTE, "Your note", {"text": "note"}, self.leave_note)

    def _found_failed(self, error: Error) -> None:
        self._tell_of(error, Dialog.FOUND, "Your report", _FIELDS, self.report_found)

    def _exchange_failed(self, told: tuple[str, str, TypedExchange], error: Error) -> None:
        if isinstance(error, ConfirmReading):
            self._odd_exchange = told
            error = InvalidReport(f"{error}: if the old meter showed that, Send it once more", field="final")
        self._tell_of(error, Dialog.EXCHANGED, "Your word of the exchange", _EXCHANGE, self.tell_of_exchange)

    def _tell_of(
        self, error: Error, dialog: Dialog, what: str, fields: Mapping[str, str], again: Callable[[], None]
    ) -> None:
        """Say what is wrong with a report, or with the way to the office; what was typed stays.

        Whoever has gone on meanwhile is told in the window, and not held up by the dialog.
        """
        match error:
            case SessionError() if not isinstance(error, AccountDisabled):
                self._failed(error)
            case _ if self.state.dialog is not dialog:
                self._again = again  # whoever has gone on when all is read has another one
                words = f"{what} was not sent: {error}. It is still there under More; Retry sends it"
                self._show(faults={ANYWHERE: words}, can_retry=True)
            case SubmissionError():
                self._blame(fields.get(str(error.details.get("field")), next(iter(fields.values()))), error)
            case _:
                self._show(faults={ANYWHERE: f"{error}. What you typed stays here: Send tries again"})
