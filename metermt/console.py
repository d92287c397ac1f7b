"""The console: a reader logs in and reads meter after meter, with the keyboard alone."""

import getpass
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import click

from metermt.calls.readings import Next
from metermt.cli.common import MeterCommand, Target, server_options
from metermt.client import MeterClient
from metermt.errors import (
    AlreadyRead,
    ConnectionFailed,
    Error,
    LoginError,
    MeterLeased,
    SessionError,
    StoreAway,
    SubmissionError,
    TooManyFailures,
    UnknownMeter,
)
from metermt.model import Answer, Job
from metermt.rules.answers import whole_number
from metermt.sending import new_key
from metermt.terminal import Terminal

_FAREWELL = 1.0  # seconds that logging out may take: whoever leaves does not wait for a server
_TRIES = 3  # wrong passwords until the console gives up


@click.command(cls=MeterCommand)
@server_options
def console(connect: Target) -> None:
    """Read meters: log in, and send reading after reading.

    An empty reading asks for the reason why there is none; an empty reason too ends the console.

    \b
    Example:
        metermt console -h meter.example.org
        metermt console --server one.example.org,other.example.org
        metermt console --service METER --registry meter.example.org
    """
    read_meters(connect)


def read_meters(connect: Callable[[], MeterClient]) -> None:
    """Hold the dialogue on the terminal until the reader ends it or there is no job.

    Raises `ConnectionFailed`, or another `Error` that ends it.
    """
    try:
        client = connect()
    except ConnectionFailed as error:
        raise type(error)(f"Is the meter server running? {error}") from error
    with client, Terminal() as terminal:
        try:
            _Dialogue(client, terminal).run()
        except (EOFError, KeyboardInterrupt):
            print("\nGoodbye")
        client.timeout = _FAREWELL
        with suppress(Error):  # a session that cannot be ended expires by itself
            client.logout()


class _Dialogue:
    """The dialogue with one reader."""

    def __init__(self, client: MeterClient, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal

    def run(self) -> None:
        """Log in and read meters. Raises `EOFError` or `KeyboardInterrupt` when the reader leaves in between."""
        self._log_in()
        job = self._client.get_job()
        while job:
            _show_place(job)
            answer = self._ask_for_answer(job)
            if answer is None:
                return
            job = self._submitted(job, answer)
        print(self._why_no_job())

    def _log_in(self) -> None:
        username = self._ask_for_username()
        for tries_left in reversed(range(_TRIES)):
            try:
                full_name = self._client.login(username, self._terminal.ask_secret("Password: "))
            except TooManyFailures:
                raise
            except LoginError as error:
                if not tries_left:
                    raise
                print(error)
            else:
                print(f"Welcome, {full_name}, to Meter RPYC")
                return

    def _why_no_job(self) -> str:
        try:
            return self._client.why_no_job().in_words()
        except Error:  # the server is gone by now, or too old to tell: it is no reason to end with an error
            return "There is no job for you now."

    def _submitted(self, job: Job, answer: Answer) -> Job | None:
        """Send an answer; return the job to go on with, which is the same one if the answer was refused."""
        try:
            accepted = self._sent(answer)
        except (MeterLeased, AlreadyRead, UnknownMeter) as error:
            print(error)
            return self._client.get_job()
        except SubmissionError as error:
            print(error)
            return job
        print(f"Accepted: you have read {accepted.status.count} out of {accepted.status.total} readings")
        return accepted.job

    def _sent(self, answer: Answer) -> Next:
        """Send an answer, as often as the reader wishes when the server or its database is away. It counts once."""
        while True:
            try:
                return self._client.submit_and_next(answer)
            except SessionError:
                print("Your login has expired: log in again, your reading is kept")
                self._log_in()
            except (ConnectionFailed, StoreAway) as error:
                print(f"Error: {error}")
                question = f"Not confirmed yet. Send the reading for meter {answer.meter} again? [Y/n]: "
                if self._terminal.ask(question).lower() == "n":
                    raise

    def _ask_for_answer(self, job: Job) -> Answer | None:
        """Return the reading or the reason that was typed, to count once; None when the reader gives neither."""
        meter = job.meter.number
        while text := self._terminal.ask(f"Reading for meter {meter}: "):
            value = whole_number(text)
            if value is None:
                print(f"Invalid reading: {text} is not a whole number")
            elif text.startswith("-"):
                print(f"Invalid reading: {text} is below zero")
            else:
                return Answer(meter, value, when=datetime.now(UTC), key=new_key(), cycle=job.cycle)
        reason = self._terminal.ask(f"Reason for meter {meter}: ")
        return Answer(meter, None, reason, datetime.now(UTC), new_key(), job.cycle) if reason else None

    def _ask_for_username(self) -> str:
        try:
            default = getpass.getuser()
        except (OSError, KeyError, ImportError):  # nobody is logged in, as in some containers
            default = ""
        while True:
            username = self._terminal.ask(f"Username [{default}]: " if default else "Username: ") or default
            if username:
                return username


def _show_place(job: Job) -> None:
    if job.route:
        print(f"Route {job.route}, stop {job.sequence}" + (f": {job.meter.address}" if job.meter.address else ""))
    elif job.meter.address:
        print(job.meter.address)
    if job.meter.instructions:
        print(job.meter.instructions)
