"""What the window does: the state it shows, and the commands a reader can give. It does not depend on Tk."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from metermt.calls.readings import Next
from metermt.client import MeterClient, new_key
from metermt.errors import (
    AlreadyRead,
    ConnectionFailed,
    Error,
    InvalidReason,
    LoginError,
    MeterLeased,
    ServerUnreachable,
    SessionError,
    StoreAway,
    SubmissionError,
    UnknownMeter,
    UserError,
)
from metermt.gui.opening import Opening
from metermt.gui.state import ANYWHERE, METER, NOTHING, READ, Dialog, Screen, State, Typed
from metermt.model import Answer, Job, Status

Call = Callable[[], Any]
Handler = Callable[[Any], None]


class Runner(Protocol):
    """Runs calls in the background, so that the window goes on answering its user."""

    def run(self, call: Call, done: Handler, failed: Callable[[Error], None], slow: Callable[[], None]) -> None:
        """Run a call, then one of `done` and `failed` where the window is; before, `slow` if it takes long."""


class Presenter:
    """Holds the state, carries out commands, and gives each new state to `changed`.

    One call is under way at a time. All methods belong to the window's thread, but for `farewell`.
    """

    def __init__(self, opening: Opening, runner: Runner) -> None:
        self.state = State(typed=Typed(username=opening.username))
        self.changed: Callable[[State], None] = lambda _state: None
        self._opening = opening
        self._runner = runner
        self._client: MeterClient | None = None
        self._sending: Answer | None = None  # what was sent last and is not confirmed
        self._again: Callable[[], None] = self.open  # what Retry does
        self._after_login: Callable[[], None] = self.fetch

    # --- commands

    def open(self) -> None:
        """Find the server, start one if that is wanted, and ask who is there."""
        self._run("Connecting…", self._opening.reach, self._reached, again=self.open, otherwise=self._not_reached)

    def edit(self, name: str, text: str) -> None:
        """Take what was typed into a field."""
        if getattr(self.state.typed, name) != text:
            faults = {at: fault for at, fault in self.state.faults.items() if at != name}
            self._show(typed=replace(self.state.typed, **{name: text}), faults=faults)

    def retry(self) -> None:
        """Do again what failed."""
        if self.state.can_retry and not self.state.doing:
            self._again()

    def create_account(self) -> None:
        """Create the first account and log in with it."""
        if self.state.can_create and self._opening.first_account:
            typed = self.state.typed
            create = partial(self._opening.first_account.create, typed.username, typed.full_name, typed.password)
            self._run("Creating the account…", create, self._created, again=self.create_account)

    def log_in(self) -> None:
        """Log in, then go on with what was asked for before."""
        if self.state.can_log_in and self._client:
            typed = self.state.typed
            call = partial(self._client.login, typed.username, typed.password)
            self._run("Logging in…", call, self._logged_in, again=self.log_in)

    def fetch(self, because: Mapping[str, str] = NOTHING) -> None:
        """Ask for the job to do next and for the status. `because` are the faults that made it necessary."""
        client = self._connected

        def call() -> tuple[Job | None, Status]:
            return client.get_job(), client.get_status()

        self._run("Asking for the next meter…", call, partial(self._fetched, because), again=self.fetch)

    def submit(self) -> None:
        """Send what was typed. The same answer for the same meter keeps its time and its key until it is confirmed."""
        job, typed = self.state.job, self.state.typed.answer
        if not (self.state.can_submit and job and typed):
            return
        answer = Answer(job.meter.number, *typed, datetime.now(UTC), new_key(), job.cycle)
        if self._sending and self._sending.says_the_same_as(answer):
            answer = self._sending
        self._sending = answer
        self._show(notice="")
        send = partial(self._connected.submit_and_next, answer)
        self._run("Sending…", send, partial(self._accepted, answer), again=self.submit)

    def farewell(self) -> None:
        """Log out and close the connection. It blocks until the server has answered: only the runner calls it, last."""
        if self._client:
            with self._client, suppress(Error):  # a session that cannot be ended expires by itself
                self._client.logout()

    # --- what came of them

    def _reached(self, client: MeterClient) -> None:
        self._client = client
        self._ask(Dialog.LOGIN)

    def _not_reached(self, error: Error) -> None:
        if self._opening.own_server and isinstance(error, ServerUnreachable):
            doing = "Starting a server on this machine…"
            self._run(doing, self._opening.start, self._started, again=self.open)
        else:
            self._failed(error)

    def _started(self, found: tuple[MeterClient, bool]) -> None:
        self._client, first_account_needed = found
        started = "Started a server on this machine"
        self._show(notice=started, hint=f"{started}. {self._opening.greeting}".strip())
        self._ask(Dialog.ACCOUNT if first_account_needed else Dialog.LOGIN)

    def _created(self, _nothing: None) -> None:
        self._show(dialog=Dialog.LOGIN)
        self.log_in()

    def _logged_in(self, full_name: str) -> None:
        self._show(full_name=full_name, dialog=None, hint="", typed=replace(self.state.typed, password="", again=""))
        then, self._after_login = self._after_login, self.fetch
        then()

    def _fetched(self, because: Mapping[str, str], found: tuple[Job | None, Status]) -> None:
        job, status = found
        if job != self.state.job:
            self._empty_fields()
        self._show_job(job, status, faults=because)

    def _accepted(self, answer: Answer, found: Next) -> None:
        self._sending = None
        said = f"“{answer.reason}”" if answer.value is None else str(answer.value)
        self._empty_fields()
        self._show_job(found.job, found.status, notice=f"Accepted {said} for {answer.meter}")

    def _failed(self, error: Error) -> None:
        if isinstance(error, SubmissionError):
            self._sending = None  # it was refused, so nothing came of it
        match error:
            case LoginError():
                self._show(typed=replace(self.state.typed, password=""))
                self._blame("password", error)
            case SessionError():
                self._after_login = self._again
                self._show(hint="Your login has expired. Log in again to go on: what you typed is kept.")
                self._ask(Dialog.LOGIN)
            case UserError():
                self._blame("username", error)
            case MeterLeased() | AlreadyRead() | UnknownMeter():
                self.fetch({METER: str(error)})
            case InvalidReason():
                self._blame("reason", error)
            case SubmissionError():
                self._blame("reading", error)
            case ConnectionFailed() | StoreAway() if self._sending and not self.state.dialog:
                text = f"{error}. Your reading is kept: Retry sends it again, and it counts once."
                self._show(faults={ANYWHERE: text}, can_retry=True)
            case _:
                self._show(faults={ANYWHERE: str(error)}, can_retry=True)
                self._focus_on("" if self.state.dialog or self.state.screen is Screen.READING else "retry")

    # --- parts

    @property
    def _connected(self) -> MeterClient:
        assert self._client is not None, "nothing is asked of a server before one is reached"
        return self._client

    def _run(
        self,
        doing: str,
        call: Call,
        done: Handler,
        *,
        again: Callable[[], None],
        otherwise: Callable[[Error], None] | None = None,
    ) -> None:
        self._again = again
        self._show(doing=doing, slow=False, faults=NOTHING, can_retry=False)
        self._runner.run(
            call, partial(self._ended, done), partial(self._ended, otherwise or self._failed), self._is_slow
        )

    def _ended(self, handler: Handler, outcome: Any) -> None:
        self._show(doing="", slow=False)
        handler(outcome)

    def _is_slow(self) -> None:
        self._show(slow=True)

    def _ask(self, dialog: Dialog) -> None:
        self._show(dialog=dialog, typed=replace(self.state.typed, password="", again=""))
        after_name = {Dialog.LOGIN: "password", Dialog.ACCOUNT: "full_name"}[dialog]
        self._focus_on(after_name if self.state.typed.username else "username")

    def _show_job(self, job: Job | None, status: Status, **news: Any) -> None:
        screen = Screen.READING if job else Screen.DONE
        self._again = self.fetch  # when all is done, there may be more to do later
        self._show(screen=screen, job=job, status=status, can_retry=not job, **news)
        self._focus_on("reading" if job else "retry")

    def _empty_fields(self) -> None:
        self._show(typed=replace(self.state.typed, reading="", reason=READ))

    def _blame(self, name: str, error: Error) -> None:
        self._show(faults={name: str(error)})
        self._focus_on(name)

    def _focus_on(self, name: str) -> None:
        if name:
            self._show(focus=name, focus_turn=self.state.focus_turn + 1)

    def _show(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.changed(self.state)
