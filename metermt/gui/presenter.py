"""What the window does: the commands a reader can give, and what comes of them. It does not depend on Tk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from metermt.client.client import MeterClient
from metermt.errors import (
    AccountDisabled,
    ConfirmReading,
    Error,
    InvalidReason,
    LoginError,
    ServerUnreachable,
    SessionError,
    SubmissionError,
    UserError,
)
from metermt.gui import questions
from metermt.gui.handed import Beginning, Next, begin, send
from metermt.gui.opening import Opening
from metermt.gui.runner import Runner
from metermt.gui.stage import Stage, nothing
from metermt.gui.state import ANYWHERE, METER, NOTHING, Dialog, Screen, State
from metermt.gui.typed import READ, Typed
from metermt.model import Answer, Job
from metermt.names import new_key
from metermt.rules.answers import judged
from metermt.rules.fates import Fate, fate_of
from metermt.rules.looks import look_again
from metermt.rules.reasons import meant


class Presenter(Stage):
    """Carries out commands.

    One call is under way at a time. All methods belong to the window's thread, but for `farewell`.
    """

    def __init__(self, opening: Opening, runner: Runner) -> None:
        super().__init__(State(typed=Typed(username=opening.username)), runner)
        self.ended: Callable[[], None] = nothing
        """What ends the program."""
        self._opening = opening
        self._client: MeterClient | None = None
        self._username = ""  # who has logged in last, and typed what stands in the fields
        self._sending: Answer | None = None  # what was sent last and is not confirmed
        self._doubted: Answer | None = None  # an odd value, until what the meter shows is typed once more
        self._put_off: set[str] = set()  # the keys of what was offered since the login
        self._again = self.open
        self._after_login: Callable[[], None] = self.fetch

    # --- commands

    def open(self) -> None:
        """Find the server, start one if that is wanted, and ask who is there."""
        self._run("Connecting…", self._opening.reach, self._reached, self._not_reached, self.open)

    def create_account(self) -> None:
        """Create the first account and log in with it."""
        if self.state.can_create and self._opening.first_account:
            typed = self.state.typed
            create = partial(self._opening.first_account.create, typed.username, typed.full_name, typed.password)
            self._run("Creating the account…", create, self._created, self._failed, self.create_account)

    def log_in(self) -> None:
        """Log in, then go on with what was asked for before."""
        if self.state.can_log_in and self._client:
            typed = self.state.typed
            call = partial(self._client.login, typed.username, typed.password)
            self._run("Logging in…", call, self._logged_in, self._failed, self.log_in)

    def fetch(self, because: Mapping[str, str] = NOTHING) -> None:
        """Ask for the job to do next and for the status. `because` are the faults that made it necessary."""
        call, again = partial(begin, self._connected), partial(self.fetch, because)
        self._run("Asking for the next meter…", call, partial(self._fetched, because), self._failed, again)

    def submit(self) -> None:
        """Send what was typed, if it can be an answer.

        The same answer for the same meter keeps its time and its key until it is confirmed.
        """
        job = self.state.job
        if not (self.state.can_submit and job and self._reason_is_clear() and (typed := self.state.typed.answer)):
            return
        if self.state.typed.contradicts_itself(self.state.reasons):
            self._ask_which(*typed)
            return
        now = datetime.now(UTC)
        try:
            answer = judged(Answer(job.meter.number, *typed, now, new_key(), job.cycle), now)
        except SubmissionError as error:
            self._blame(_field_of(error), error)
            return
        if self._sending and self._sending.says_the_same_as(answer):
            answer = self._sending
        self._sending = answer
        self._show(notice="")
        call = partial(send, self._connected, answer)
        done, failed = partial(self._accepted, answer), partial(self._not_accepted, answer)
        self._run("Sending…", call, done, failed, self._submit_again)

    def _submit_again(self) -> None:
        self._show(keys_refused=False)  # what stands in the fields is what was sent: they were locked
        self.submit()

    def leave(self) -> None:
        """End the program; ask first if something is not sent yet, and say whether it is kept."""
        if lost := self._lost:
            self._put_question(questions.quit_all_the_same(self._username, lost), nothing, self.ended)
        elif unconfirmed := self._sending or self._doubted:
            self._put_question(questions.quit_unconfirmed(unconfirmed), nothing, self.ended)
        else:
            self.ended()

    def farewell(self) -> None:
        """Log out and close the connection. It waits a second for the server: only the runner calls it, last."""
        if self._client:
            with self._client:
                self._client.farewell()

    # --- what came of them

    def _reached(self, client: MeterClient) -> None:
        self._client = client
        self._ask(Dialog.LOGIN)

    def _not_reached(self, error: Error) -> None:
        if self._opening.own_server and isinstance(error, ServerUnreachable):
            doing = "Starting a server on this machine…"
            self._run(doing, self._opening.start, self._started, self._failed, self.open)
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
        then, self._after_login = self._after_login, self.fetch
        username = self._connected.username
        if username != self._username:
            then = partial(self.fetch, self._set_aside())
            self._username = username
            self._put_off.clear()
        self._show(
            full_name=full_name,
            username=username,
            dialog=None,
            hint="",
            typed=replace(self.state.typed, password="", again=""),
        )
        then()

    def _fetched(self, because: Mapping[str, str], found: Beginning) -> None:
        if not self._is_here(found.following.job):
            self._empty_fields()
        self._show_job(found.following)
        self._show(faults=because, reasons=self.state.reasons if found.reasons is None else found.reasons)
        offered = [answer for answer in found.kept if answer.key not in self._put_off]
        if offered:
            self._put_off |= {str(answer.key) for answer in offered}
            sure = partial(self._put_question, questions.throw_away(offered), nothing, partial(self._discard, offered))
            self._put_question(questions.send_now(offered), partial(self._send_kept, offered), nothing, sure)

    def _accepted(self, answer: Answer, found: Next) -> None:
        self._sending = None
        self._doubted = None
        self._empty_fields()
        self._show_job(found)
        trouble = self._connected.outbox.trouble
        self._show(notice=questions.accepted([answer]), faults={ANYWHERE: trouble} if trouble else NOTHING)

    def _not_accepted(self, answer: Answer, error: Error) -> None:
        fate = fate_of(error)
        self._sending = answer if fate in (Fate.LOGIN, Fate.AGAIN, Fate.KEPT) else None
        match fate:
            case Fate.LOGIN:
                self._failed(error)
            case Fate.AGAIN | Fate.KEPT:
                trouble = self._connected.outbox.trouble
                where = "in this window only" if trouble else "kept"
                text = f"{error}. Your reading is {where}: Retry sends it again, and it counts once. {trouble}"
                self._show(faults={ANYWHERE: text.strip()}, can_retry=True)
            case Fate.WRONG:
                self._discard([answer])
                self._blame(_field_of(error), error)
            case Fate.ODD:
                self._forget_doubted()
                self._doubted = answer
                self._show(typed=replace(self.state.typed, reading=""))
                self._blame("reading", look_again(answer, error))
            case Fate.GONE:
                self._forget_doubted()
                self._decide_on({answer: error}, then=partial(self.fetch, {METER: str(error)}))
            case Fate.REFUSED:
                self._forget_doubted()
                self._decide_on({answer: error}, then=partial(self._blame, "reading", error))

    def _failed(self, error: Error) -> None:
        match error:
            case LoginError() if self.state.dialog is Dialog.LOGIN:
                self._show(typed=replace(self.state.typed, password=""))
                self._blame("password", error)
            case SessionError() if not isinstance(error, AccountDisabled):
                self._after_login = self._again
                self._show(hint="Your login has expired. Log in again to go on: what you typed is kept.")
                self._ask(Dialog.LOGIN)
            case UserError():
                self._blame("username", error)
            case _:
                self._show(faults={ANYWHERE: str(error)}, can_retry=True)
                self._focus_on("" if self.state.dialog or self.state.screen is Screen.READING else "retry")

    # --- what is kept

    def _send_kept(self, answers: Sequence[Answer]) -> None:
        call = partial(self._connected.submit_readings, answers)
        again = partial(self._send_kept, answers)
        self._run("Sending…", call, partial(self._told_of_kept, answers), self._failed, again)

    def _told_of_kept(self, answers: Sequence[Answer], outcomes: Sequence[Error | None]) -> None:
        accepted = [answer for answer, refusal in zip(answers, outcomes, strict=True) if not refusal]
        refused = {answer: refusal for answer, refusal in zip(answers, outcomes, strict=True) if refusal}
        self._show(notice=questions.accepted(accepted))
        odd = {answer: refusal for answer, refusal in refused.items() if isinstance(refusal, ConfirmReading)}
        wrong = {answer: refusal for answer, refusal in refused.items() if answer not in odd}
        self._decide_on(wrong, then=partial(self._decide_on, odd, self.fetch))

    def _decide_on(self, refused: Mapping[Answer, Error], then: Callable[[], None]) -> None:
        """Ask whether what was refused is to be thrown away. If not it is offered at the next login.

        What is odd may be sent again, as it was typed at the meter; under a new key that is the second look.
        """

        def send_again() -> None:
            self._send_kept([self._connected.outbox.renew(answer) for answer in refused])

        def throw_away() -> None:
            self._discard(refused)
            then()

        self._put_off |= {str(answer.key) for answer in refused}
        if any(self._connected.outbox.keeps(answer) for answer in refused):
            question = questions.it_was_refused(refused)
            is_odd = question.asking is questions.Asking.ODD
            self._put_question(question, then, *([send_again] if is_odd else []), throw_away)
        else:
            then()

    def _forget_doubted(self) -> None:
        """Throw away a value that was asked about, once another one was typed in its place."""
        if self._doubted:
            self._discard([self._doubted])
            self._doubted = None

    def _discard(self, answers: Mapping[Answer, Error] | Sequence[Answer]) -> None:
        for answer in answers:
            self._connected.outbox.discard(answer)

    def _set_aside(self) -> Mapping[str, str]:
        """Take what the reader before has not sent out of the fields; return what to say of it."""
        answer, self._sending, self._doubted = self._sending or self._doubted, None, None
        self._show(notice="", typed=Typed(username=self.state.typed.username))
        return {ANYWHERE: questions.kept_for(self._username, self.state.full_name, answer)} if answer else NOTHING

    @property
    def _lost(self) -> list[tuple[str, str]]:
        """What is lost with the window: readers, and what of theirs."""
        job, sending = self.state.job, self._sending
        said = (sending.meter, (sending.value, sending.reason)) if sending else None
        typed = [f"reading of {job.meter.number}"] if job and self.state.typed.answer else []
        if job and said == (job.meter.number, self.state.typed.answer):
            typed = []
        mine = [(self._username, what) for what in typed + self.state.typed.reports]
        unwritten = self._client.outbox.unwritten if self._client else []
        return list(dict.fromkeys(mine + [(row.username, f"reading of {row.answer.meter}") for row in unwritten]))

    # --- parts

    @property
    def _connected(self) -> MeterClient:
        assert self._client is not None, "nothing is asked of a server before one is reached"
        return self._client

    def _is_here(self, job: Job | None) -> bool:
        """Tell whether this is the job that is shown; another note does not make it another one."""
        here = self.state.job
        return job is here or bool(job and here and job.place == here.place)

    def _reason_is_clear(self) -> bool:
        """Let the field say in full which reason of the list was typed. False if it may be several."""
        typed = self.state.typed
        if typed.own_reason:
            try:
                reason = meant(typed.own_reason, [one.text for one in self.state.reasons])
            except InvalidReason as error:
                self._blame("reason", error)
                return False
            self._show(typed=replace(typed, reason=reason))
        return True

    def _ask_which(self, reading: int | str | None, reason: str) -> None:
        def go_on_with(**kept: str) -> None:
            self._show(typed=replace(self.state.typed, **kept))
            self.submit()

        send_reading, send_reason = partial(go_on_with, reason=READ), partial(go_on_with, reading="")
        self._put_question(questions.which_is_it(reading, reason), nothing, send_reading, send_reason)

    def _ask(self, dialog: Dialog) -> None:
        self._show(dialog=dialog, typed=replace(self.state.typed, password="", again=""))
        after_name = {Dialog.LOGIN: "password", Dialog.ACCOUNT: "full_name"}[dialog]
        self._focus_on(after_name if self.state.typed.username else "username")

    def _show_job(self, found: Next) -> None:
        screen = Screen.READING if found.job else Screen.DONE
        self._again = self.fetch  # when all is done, there may be more to do later
        self._show(screen=screen, job=found.job, status=found.status, counts=found.counts, aside="")
        self._show(end=found.end, can_retry=not found.job)
        self._focus_on("reading" if found.job else "retry")


def _field_of(error: Error) -> str:
    return "reason" if isinstance(error, InvalidReason) else "reading"
