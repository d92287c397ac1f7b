"""The console: a reader logs in and reads meter after meter, with the keyboard alone."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn, TypeVar

import click

from metermt.cli.common import MeterCommand, login_name
from metermt.cli.target import Target, http_option, server_options
from metermt.client.client import MeterClient
from metermt.console.offering import decide, described, offer, tell_of_unsent
from metermt.console.reasons import Reasons
from metermt.console.terminal import Terminal, say
from metermt.console.words import SLASH, Elsewhere, Words
from metermt.errors import (
    AccountDisabled,
    ConfirmReading,
    ConnectionFailed,
    Error,
    InvalidReason,
    LoginError,
    SessionError,
    SettingError,
    SubmissionError,
    TlsError,
    TooManyFailures,
)
from metermt.model import Answer, Job
from metermt.names import new_key
from metermt.printable import printable
from metermt.rules.answers import as_typed, judged, quoted
from metermt.rules.fates import UNCERTAIN, Fate, fate_of
from metermt.rules.looks import look_again

R = TypeVar("R")

_TRIES = 3  # wrong passwords until the console gives up


@click.command(cls=MeterCommand)
@server_options
@http_option
def console(connect: Target) -> None:
    """Read meters: log in, and send reading after reading.

    An empty reading asks for the reason why there is none; an empty reason too ends the console. What was typed and
    could not be sent is kept on this device, and offered at the next login: see `metermt outbox`. Words that begin
    with a slash do more, such as /skip, /find and /undo: /help lists them.

    \b
    Example:
        metermt console -h meter.example.org
        metermt console --server one.example.org,other.example.org
        metermt console --service METER --registry meter.example.org
        metermt console --http http://meter.example.org:11002
    """
    read_meters(connect.with_outbox)


def read_meters(connect: Callable[[], MeterClient]) -> None:
    """Hold the dialogue on the terminal until the reader ends it or there is no job.

    Raises `ConnectionFailed`, or another `Error` that ends it.
    """
    try:
        client = connect()
    except TlsError:
        raise
    except ConnectionFailed as error:
        raise type(error)(f"Is the meter server running? {error}") from error
    with client, Terminal() as terminal:
        try:
            _Dialogue(client, terminal).run()
        except (EOFError, KeyboardInterrupt):
            print("Goodbye")
        client.farewell()


class _BeginAnew(Exception):
    """Somebody has logged in to whom nothing belongs that was under way."""


class _Dialogue:
    """The dialogue with one reader."""

    def __init__(self, client: MeterClient, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal
        self._wait_for = terminal.wait_for
        self._unsent: Answer | None = None  # what was typed last, until the server has answered
        self._doubted: Answer | None = None  # an odd value, until another one was typed for its meter
        self._reasons = Reasons(lambda: self._wait_for(client.list_reasons))
        self._words = Words(client, terminal, self._reasons)

    def run(self) -> None:
        """Log in and read meters. Raises `EOFError` or `KeyboardInterrupt` when the reader leaves in between."""
        try:
            self._wait_for(self._client.ping)  # what is wrong with the server is told before a password is asked for
            self._log_in(login_name())
            while True:
                with suppress(_BeginAnew):
                    self._read_on()
                    break
        except (EOFError, KeyboardInterrupt):
            print()
            self._tell_of_unsent()
            raise
        except Error:
            self._tell_of_unsent()
            raise

    def _read_on(self) -> None:
        """Have whoever has logged in read meters, once they were offered what they have typed here before."""
        self._insist(partial(offer, self._client, self._terminal))
        place: Elsewhere | None = Elsewhere(self._next_job())
        while place:
            if place.job:
                _show_place(place.job)
                place = self._next_place(place.job, aside=place.aside)
            else:
                print(self._client.why_no_job_in_words())
                place = self._after_the_last()

    def _next_place(self, job: Job, *, aside: bool) -> Elsewhere | None:
        """Take an answer to a job, or a word; return where to go on, None when the reader gives neither and leaves.

        Whoever gives no answer to one `aside` goes back to the job that was handed out. Whoever goes elsewhere from a
        value that was asked about is asked what is to become of it.
        """
        said = self._ask_for_answer(job)
        if isinstance(said, Answer):
            following = self._submitted(job, said)
            return Elsewhere(following, aside=aside and following is job)
        if said is None and not aside:
            self._tell_of_unsent()
            return None
        if self._doubted:
            decide(self._client, self._terminal, [self._doubted])
            self._doubted = None
        return said or Elsewhere(self._next_job())

    def _after_the_last(self) -> Elsewhere | None:
        """Return where a word leads when there is no job, None for nowhere: who has said none is not asked."""
        while self._words.were_used:
            typed = self._terminal.ask("Enter leaves, /undo corrects your last reading: ")
            if not typed:
                break
            if elsewhere := self._said(typed, None):
                return elsewhere
        return None

    def _log_in(self, username: str) -> None:
        """Ask for a name, this one if none is typed, and for the password, until they are right.

        A person is asked on while the server or its database is away; Ctrl+C leaves.
        """
        tries_left = _TRIES
        while True:
            username = self._ask_for_username(username)
            password = self._terminal.ask_secret("Password: ")
            try:
                full_name = self._wait_for(self._client.login, username, password)
            except LoginError as error:
                tries_left -= 1
                if not tries_left or isinstance(error, TooManyFailures | AccountDisabled):
                    raise
                say(str(error))
            except UNCERTAIN as error:
                if not self._terminal.is_person:
                    raise
                say(f"Error: {error}")
            else:
                print(f"Welcome, {full_name}, to Meter RPYC")
                return

    def _log_in_again(self) -> None:
        """Ask a reader whose login has expired to log in again. Raises `_BeginAnew` if somebody else does.

        Raises `SessionError` for a file: its next lines are readings, and neither a name nor a password.
        """
        if not self._terminal.is_person:
            raise SessionError("Your login has expired: log in again. Nothing after this line was taken")
        say(f"Your login has expired: log in again{', your reading is kept' if self._unsent else ''}")
        reader = self._client.username
        self._log_in(reader)
        if self._client.username != reader:
            if self._unsent:
                say(f"The reading {described(self._unsent)} is kept until {reader} logs in here again")
            self._unsent = self._doubted = None
            raise _BeginAnew

    def _change_reader(self) -> NoReturn:
        """Hand the device to the next reader. Raises `_BeginAnew`."""
        self._tell_of_unsent()
        self._unsent = self._doubted = None
        self._wait_for(self._client.farewell, self._client.timeout)  # whose meters are free then
        print("Logged out: the next reader can log in")
        self._log_in("")
        raise _BeginAnew

    def _insist(self, call: Callable[[], R], question: str = "") -> R:
        """Return what a call returns, made again once the login is renewed that it needs.

        With a question it is also made as often as the reader wishes when the server or its database is away.
        """
        while True:
            try:
                return call()
            except Error as error:
                match fate_of(error):
                    case Fate.LOGIN:
                        self._log_in_again()
                    case Fate.AGAIN if question and self._terminal.try_again(error, question):
                        pass
                    case _:
                        raise

    def _next_job(self) -> Job | None:
        """Return the job that is handed out."""
        return self._insist(partial(self._wait_for, self._client.get_job), "Ask for your next meter again?")

    def _submitted(self, job: Job, answer: Answer) -> Job | None:
        """Send an answer, which counts once; return the job to go on with, the same one if it is read anew."""
        self._unsent = answer
        send = partial(self._wait_for, self._client.submit_and_next, answer)
        try:
            accepted = self._insist(send, f"Not confirmed yet. Send the reading for meter {answer.meter} again?")
        except SubmissionError as error:
            self._unsent = None
            say(look_again(answer, error) if isinstance(error, ConfirmReading) else str(error))
            return self._after_refusal(fate_of(error), job, answer)
        self._unsent = self._doubted = None
        print(f"Accepted: you have read {accepted.status.count} out of {accepted.status.total} readings")
        return accepted.job

    def _after_refusal(self, fate: Fate, job: Job, answer: Answer) -> Job | None:
        """Do with an answer what becomes of it; return the job to go on with."""
        match fate:
            case Fate.WRONG:
                self._client.outbox.discard(answer)
            case Fate.ODD:
                self._forget_doubted()
                self._doubted = answer
            case _:
                self._forget_doubted()
                decide(self._client, self._terminal, [answer])
        return self._next_job() if fate is Fate.GONE else job

    def _forget_doubted(self) -> None:
        """Throw away a value that was asked about, once another one was typed in its place."""
        if self._doubted:
            self._client.outbox.discard(self._doubted)
            self._doubted = None

    def _tell_of_unsent(self) -> None:
        if answer := self._unsent or self._doubted:
            tell_of_unsent(self._client, answer)

    def _ask_for_answer(self, job: Job) -> Answer | Elsewhere | None:
        """Return the reading or the reason that was typed, to count once; None when the reader gives neither.

        Words that are said instead are done; one that leads elsewhere is told.
        """
        while True:
            try:
                value, reason = self._ask_for_reading(job)
            except InvalidReason as error:
                say(str(error))
                continue
            if value is None and not reason:
                return None
            if (word := reason or str(value)).startswith(SLASH):
                if elsewhere := self._said(word, job):
                    return elsewhere
                continue
            now = datetime.now(UTC)
            try:
                return judged(Answer(job.meter.number, value, reason, now, new_key(), job.cycle), now)
            except SubmissionError as error:
                say(str(error))

    def _said(self, word: str, job: Job | None) -> Elsewhere | None:
        """Do what a word means; return where it leads. What goes wrong is told, and leads nowhere.

        Raises `SettingError` if a file of answers has none to what the word asks.
        Once a reader is logged out nothing leads back to the job: the next one would type under their name.
        """
        while True:
            try:
                elsewhere = self._words.say(word, job)
            except (AccountDisabled, LoginError, SettingError):
                raise
            except SessionError:
                self._log_in_again()
            except Error as error:
                say(str(error))
                return None
            else:
                if elsewhere and elsewhere.next_reader:
                    self._change_reader()
                return elsewhere

    def _ask_for_reading(self, job: Job) -> tuple[int | str | None, str]:
        """Return what is typed as the reading, or the reason why there is none.

        Raises `SettingError` for a file that does not have an odd value twice: its next line is for another meter.
        """
        text = self._ask_of_meter("Reading", job)
        if self._doubted and not self._terminal.is_person and as_typed(text) != self._doubted.value:
            odd = described(self._doubted)
            instead = quoted(printable(text))
            raise SettingError(f"{instead} is not {odd} once more: write that twice. Nothing after it was taken")
        if text:
            return as_typed(text), ""
        return None, self._reasons.ask(lambda: self._ask_of_meter("Reason", job))

    def _ask_of_meter(self, what: str, job: Job) -> str:
        """Ask for the reading or the reason. Whoever has typed something leaves by a second Ctrl+C only."""
        while True:
            try:
                return self._terminal.ask(f"{what} for meter {job.meter.number}: ")
            except KeyboardInterrupt:
                if not (typed := self._terminal.not_entered):
                    raise
                print()
                words = f"Not sent for meter {job.meter.number}: {quoted(printable(typed))}."
                say(f"{words} Type it again and press Enter, or leave with Ctrl+C")

    def _ask_for_username(self, default: str) -> str:
        while True:
            username = self._terminal.ask(f"Username [{default}]: " if default else "Username: ") or default
            if username.startswith(SLASH):
                self._words.were_used = True
                print(f"Log in first, then say {printable(username)}")
            elif username:
                return username


def _show_place(job: Job) -> None:
    if job.route:
        say(f"Route {job.route}, stop {job.sequence}" + (f": {job.meter.address}" if job.meter.address else ""))
    elif job.meter.address:
        say(job.meter.address)
    for text in (job.meter.instructions, job.note, job.expected):
        if text:
            say(printable(text))
