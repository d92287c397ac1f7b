"""The console: a reader logs in and reads meter after meter, with the keyboard alone."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import click

from metermt.calls.readings import Next
from metermt.cli.common import MeterCommand, login_name
from metermt.cli.target import Target, http_option, server_options
from metermt.client import MeterClient
from metermt.consolereasons import Reasons
from metermt.consolewords import SLASH, Elsewhere, Words
from metermt.errors import (
    AccountDisabled,
    AlreadyRead,
    ConfirmReading,
    ConnectionFailed,
    Error,
    InvalidReading,
    InvalidReason,
    LoginError,
    MeterLeased,
    SessionError,
    SubmissionError,
    TlsError,
    TooManyFailures,
    UnknownMeter,
)
from metermt.model import Answer, Job
from metermt.offering import UNCERTAIN, WAITING, decide, described, offer, tell_of_unsent
from metermt.printable import printable
from metermt.rules.answers import as_typed, judged, quoted
from metermt.rules.looks import look_again
from metermt.sending import new_key
from metermt.terminal import Terminal, say

P = ParamSpec("P")
R = TypeVar("R")

_FAREWELL = 1.0  # seconds that logging out may take: whoever leaves does not wait for a server
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
        client.timeout = _FAREWELL
        with suppress(Error):  # a session that cannot be ended expires by itself
            client.logout()


class _Dialogue:
    """The dialogue with one reader."""

    def __init__(self, client: MeterClient, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal
        self._unsent: Answer | None = None  # what was typed last, until the server has answered
        self._reasons = Reasons(lambda: self._wait_for(client.list_reasons))
        self._words = Words(client, terminal, self._reasons, self._change_reader)

    def run(self) -> None:
        """Log in and read meters. Raises `EOFError` or `KeyboardInterrupt` when the reader leaves in between."""
        try:
            self._wait_for(self._client.ping)  # what is wrong with the server is told before a password is asked for
            self._log_in(login_name())
            place: Elsewhere | None = Elsewhere(self._first_job())
            while place:
                if place.job:
                    _show_place(place.job)
                    place = self._next_place(place.job, aside=place.aside)
                else:
                    print(self._client.why_no_job_in_words())
                    place = self._after_the_last()
        except (EOFError, KeyboardInterrupt):
            print()
            self._tell_of_unsent()
            raise
        except Error:
            self._tell_of_unsent()
            raise

    def _next_place(self, job: Job, *, aside: bool) -> Elsewhere | None:
        """Take an answer to a job, or a word; return where to go on, None when the reader gives neither and leaves.

        Whoever gives no answer to one `aside` goes back to the job that was handed out.
        """
        said = self._ask_for_answer(job)
        if isinstance(said, Answer):
            following = self._submitted(job, said)
            return Elsewhere(following, aside=aside and following is job)
        self._tell_of_unsent()
        self._unsent = None
        if said is None and aside:
            return Elsewhere(self._wait_for(self._client.get_job))
        return said

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
        """Ask for a name, this one if none is typed, and for the password, until they are right."""
        for tries_left in reversed(range(_TRIES)):
            username = self._ask_for_username(username)
            password = self._terminal.ask_secret("Password: ")
            try:
                full_name = self._wait_for(self._client.login, username, password)
            except (TooManyFailures, AccountDisabled):
                raise
            except LoginError as error:
                if not tries_left:
                    raise
                print(error)
            else:
                print(f"Welcome, {full_name}, to Meter RPYC")
                return

    def _first_job(self) -> Job | None:
        """Offer what this reader has typed here before; return the job to begin with."""
        offer(self._client, self._terminal)
        return self._wait_for(self._client.get_job)

    def _change_reader(self) -> Job | None:
        """Hand the device to the next reader; return their first job."""
        self._tell_of_unsent()
        self._unsent = None
        with suppress(Error):  # a session that cannot be ended expires by itself
            self._wait_for(self._client.logout)
        print("Logged out: the next reader can log in")
        self._log_in("")
        return self._first_job()

    def _submitted(self, job: Job, answer: Answer) -> Job | None:
        """Send an answer; return the job to go on with, which is the same one if the answer was refused."""
        self._unsent = answer
        try:
            accepted = self._sent(answer)
        except ConfirmReading as error:
            say(look_again(answer, error))
            return job
        except (InvalidReading, InvalidReason) as error:  # it is asked for again
            self._client.outbox.discard(answer)
            return self._refused(error, job)
        except SubmissionError as error:
            go_on = isinstance(error, MeterLeased | AlreadyRead | UnknownMeter)
            self._refused(error, job)
            decide(self._client, self._terminal, [answer])
            return self._wait_for(self._client.get_job) if go_on else job
        self._unsent = None
        if accepted is None:
            return self._first_job()
        print(f"Accepted: you have read {accepted.status.count} out of {accepted.status.total} readings")
        return accepted.job

    def _refused(self, error: SubmissionError, job: Job) -> Job:
        self._unsent = None
        say(str(error))
        return job

    def _sent(self, answer: Answer) -> Next | None:
        """Send an answer, as often as the reader wishes when the server or its database is away. It counts once.

        It is not sent, and None is returned, when somebody else has logged in meanwhile.
        """
        while True:
            try:
                return self._wait_for(self._client.submit_and_next, answer)
            except AccountDisabled:
                raise
            except SessionError:
                print("Your login has expired: log in again, your reading is kept")
                reader = self._client.username
                self._log_in(reader)
                if self._client.username != reader:
                    print(f"The reading {described(answer)} is kept until {reader} logs in here again")
                    return None
            except UNCERTAIN as error:
                print(f"Error: {error}")
                question = f"Not confirmed yet. Send the reading for meter {answer.meter} again?"
                if not self._terminal.yes_or_no(question, default=True):
                    raise

    def _tell_of_unsent(self) -> None:
        if self._unsent:
            tell_of_unsent(self._client, self._unsent)

    def _wait_for(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._terminal.waiting(WAITING):
            return call(*args, **kwargs)

    def _ask_for_answer(self, job: Job) -> Answer | Elsewhere | None:
        """Return the reading or the reason that was typed, to count once; None when the reader gives neither.

        Words that are said instead are done; one that leads elsewhere is told.
        """
        while True:
            value, reason = self._ask_for_reading(job)
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
        """Do what a word means; return where it leads. What goes wrong is told, and leads nowhere."""
        while True:
            try:
                return self._words.say(word, job)
            except (AccountDisabled, LoginError):
                raise
            except SessionError:
                print("Your login has expired: log in again")
                reader = self._client.username
                self._log_in(reader)
                if self._client.username != reader:
                    return Elsewhere(self._first_job())
            except Error as error:
                say(str(error))
                return None

    def _ask_for_reading(self, job: Job) -> tuple[int | str | None, str]:
        if text := self._ask_of_meter("Reading", job):
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
                print(f"\nNot sent for meter {job.meter.number}: {quoted(printable(typed))}.", end=" ")
                print("Type it again and press Enter, or leave with Ctrl+C")

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
        print(f"Route {job.route}, stop {job.sequence}" + (f": {job.meter.address}" if job.meter.address else ""))
    elif job.meter.address:
        print(job.meter.address)
    for text in (job.meter.instructions, job.note):
        if text:
            print(printable(text))
