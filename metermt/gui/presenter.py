"""What the window does: the state it shows, and the commands a reader can give. It does not depend on Tk."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from metermt.calls.readings import Next
from metermt.client import MeterClient
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
from metermt.gui.outbox import Outbox
from metermt.gui.questions import Asking, Question, kept_for, quit_all_the_same, said_in, send_now, which_is_it
from metermt.gui.runner import Call, Handler, Runner
from metermt.gui.state import ANYWHERE, METER, NOTHING, Dialog, Screen, State
from metermt.gui.typed import READ, Typed
from metermt.model import Answer, Job, Status
from metermt.rules.answers import judged
from metermt.sending import new_key

_KEYS_REFUSED = "What you typed while the window was busy was not taken"


class Presenter:
    """Holds the state, carries out commands, and gives each new state to `changed`.

    One call is under way at a time. All methods belong to the window's thread, but for `farewell`.
    """

    def __init__(self, opening: Opening, runner: Runner) -> None:
        self.state = State(typed=Typed(username=opening.username))
        self.changed: Callable[[State], None] = lambda _state: None
        self.ended: Callable[[], None] = _nothing
        """What ends the program."""
        self._opening = opening
        self._runner = runner
        self._client: MeterClient | None = None
        self._username = ""  # who has logged in last, and typed what stands in the fields
        self._sending: Answer | None = None  # what was sent last and is not confirmed
        self._outbox = Outbox()  # what was not sent before somebody else logged in
        self._again: Callable[[], None] = self.open  # what Retry does
        self._after_login: Callable[[], None] = self.fetch
        self._choices: Sequence[Callable[[], None]] = ()  # what the answers to the question do

    # --- commands

    def open(self) -> None:
        """Find the server, start one if that is wanted, and ask who is there."""
        self._run("Connecting…", self._opening.reach, self._reached, again=self.open, otherwise=self._not_reached)

    def edit(self, name: str, text: str) -> None:
        """Take what was typed into a field."""
        if getattr(self.state.typed, name) != text:
            faults = {at: fault for at, fault in self.state.faults.items() if at != name}
            self._show(typed=replace(self.state.typed, **{name: text}), faults=faults)

    def refuse_key(self) -> None:
        """Remember that a key was pressed in a locked field: the rest of a number must not count as a number."""
        if not self.state.keys_refused:
            self._show(keys_refused=True)

    def unlock(self) -> None:
        """Let the fields take keys again, after some were refused."""
        if self.state.keys_refused and not self.state.doing:
            word = f"{_KEYS_REFUSED}: type the whole reading"
            self._show(keys_refused=False, faults={**self.state.faults, "reading": word})
            self._focus_on("reading")

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
            username = typed.username.strip().lower()  # as the server takes it
            self._run("Logging in…", call, partial(self._logged_in, username), again=self.log_in)

    def fetch(self, because: Mapping[str, str] = NOTHING) -> None:
        """Ask for the job to do next and for the status. `because` are the faults that made it necessary."""
        client = self._connected

        def call() -> tuple[Job | None, Status]:
            return client.get_job(), client.get_status()

        self._run(
            "Asking for the next meter…", call, partial(self._fetched, because), again=partial(self.fetch, because)
        )

    def submit(self) -> None:
        """Send what was typed, if it can be an answer.

        The same answer for the same meter keeps its time and its key until it is confirmed.
        """
        job, typed = self.state.job, self.state.typed.answer
        if not (self.state.can_submit and job and typed):
            return
        if self.state.typed.contradicts_itself:
            self._ask_which(*typed)
            return
        now = datetime.now(UTC)
        try:
            answer = judged(Answer(job.meter.number, *typed, now, new_key(), job.cycle), now)
        except SubmissionError as error:
            self._blame("reason" if isinstance(error, InvalidReason) else "reading", error)
            return
        if self._sending and self._sending.says_the_same_as(answer):
            answer = self._sending
        self._send(answer, again=self.submit)

    def choose(self, number: int) -> None:
        """Give an answer to the question that is asked: do what it means."""
        if self.state.question:
            self._show(question=None)
            self._choices[number]()

    def leave(self) -> None:
        """End the program; ask first if something is not sent yet."""
        if unsent := self._unsent:
            self._put_question(quit_all_the_same(self._username, unsent), _nothing, self.ended)
        else:
            self.ended()

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

    def _logged_in(self, username: str, full_name: str) -> None:
        then, self._after_login = self._after_login, self.fetch
        if username != self._username:
            then = partial(self.fetch, self._set_aside())
            self._username = username
        self._show(full_name=full_name, dialog=None, hint="", typed=replace(self.state.typed, password="", again=""))
        then()

    def _fetched(self, because: Mapping[str, str], found: tuple[Job | None, Status]) -> None:
        job, status = found
        if job != self.state.job:
            self._empty_fields()
        self._show_job(job, status, faults=because)
        if METER not in because:
            self._offer()

    def _accepted(self, answer: Answer, found: Next) -> None:
        self._sending = None
        self._outbox.remove(self._username, answer.meter)
        self._empty_fields()
        self._show_job(found.job, found.status, notice=f"Accepted {said_in(answer)} for {answer.meter}")

    def _failed(self, error: Error) -> None:
        if isinstance(error, SubmissionError):
            if self._sending in self._outbox.of(self._username) and not isinstance(error, MeterLeased):
                self._outbox.remove(self._username, self._sending.meter)
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
        if self.state.front is Asking.QUIT:  # it was asked without knowing this outcome
            self._show(question=None)
        handler(outcome)
        if self.state.keys_refused and not self.state.doing:
            self._tell_of_refused_keys()

    def _is_slow(self) -> None:
        self._show(slow=True)

    def _send(self, answer: Answer, again: Callable[[], None]) -> None:
        self._sending = answer
        self._show(notice="")
        send = partial(self._connected.submit_and_next, answer)
        self._run("Sending…", send, partial(self._accepted, answer), again=again)

    def _set_aside(self) -> Mapping[str, str]:
        """Keep what the reader before has not sent, out of the fields; return what to say of it."""
        answer, self._sending = self._sending, None
        self._empty_fields()
        self._show(notice="")
        if not answer:
            return NOTHING
        self._outbox.put(self._username, answer)
        return {ANYWHERE: kept_for(self._username, self.state.full_name, answer)}

    def _offer(self) -> None:
        """Ask the reader about what was kept."""
        for answer in self._outbox.of(self._username)[:1]:
            self._put_question(send_now(answer), partial(self._send_kept, answer), _nothing)

    def _send_kept(self, answer: Answer) -> None:
        self._send(answer, again=partial(self._send_kept, answer))

    @property
    def _unsent(self) -> list[tuple[str, str]]:
        """What is lost with the window: readers and meters."""
        job = self.state.job
        typed_for = [(self._username, job.meter.number)] if job and self.state.typed.answer else []
        return list(dict.fromkeys(typed_for + self._outbox.meters()))

    def _ask_which(self, reading: int | str | None, reason: str) -> None:
        def go_on_with(**kept: str) -> None:
            self._show(typed=replace(self.state.typed, **kept))
            self.submit()

        send_reading, send_reason = partial(go_on_with, reason=READ), partial(go_on_with, reading="")
        self._put_question(which_is_it(reading, reason), _nothing, send_reading, send_reason)

    def _put_question(self, question: Question, *choices: Callable[[], None]) -> None:
        self._choices = choices
        self._show(question=question)

    def _ask(self, dialog: Dialog) -> None:
        self._show(dialog=dialog, typed=replace(self.state.typed, password="", again=""))
        after_name = {Dialog.LOGIN: "password", Dialog.ACCOUNT: "full_name"}[dialog]
        self._focus_on(after_name if self.state.typed.username else "username")

    def _show_job(self, job: Job | None, status: Status, **news: Any) -> None:
        screen = Screen.READING if job else Screen.DONE
        self._again = self.fetch  # when all is done, there may be more to do later
        self._show(screen=screen, job=job, status=status, can_retry=not job, **news)
        self._focus_on("reading" if job else "retry")

    def _tell_of_refused_keys(self) -> None:
        if self.state.dialog or self.state.screen is not Screen.READING:
            self._show(keys_refused=False)
            return
        words = (self.state.faults.get("reading"), _KEYS_REFUSED, "Press Enter, then type the whole reading")
        self._show(faults={**self.state.faults, "reading": ". ".join(filter(None, words))})

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


def _nothing() -> None:
    pass
