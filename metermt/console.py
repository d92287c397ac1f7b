"""The console: a reader logs in and reads meter after meter, with the keyboard alone."""

import getpass
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import click

from metermt.cli.common import MeterCommand, Target, server_options
from metermt.client import MeterClient, new_key
from metermt.errors import (
    AlreadyRead,
    ConnectionFailed,
    Error,
    LoginError,
    MeterLeased,
    SessionError,
    SubmissionError,
    TooManyFailures,
    UnknownMeter,
)
from metermt.model import Job, Status
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
        metermt console --service METER --registry meter.example.org
    """
    read_meters(connect)


def read_meters(connect: Callable[[], MeterClient]) -> None:
    """Hold the dialogue on the terminal until the reader ends it or all jobs are done.

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
    """The talk with one reader."""

    def __init__(self, client: MeterClient, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal

    def run(self) -> None:
        """Log in and read meters. Raises `EOFError` or `KeyboardInterrupt` when the reader leaves in between."""
        self._log_in()
        job = self._client.get_job()
        while job:
            _show_place(job)
            answer = self._ask_for_reading(job)
            if answer is None:
                return
            reading, reason = answer
            job = self._submitted(job, reading, reason)
        print("All jobs done")

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

    def _submitted(self, job: Job, reading: int, reason: str) -> Job | None:
        """Send what the reader said; return the job to go on with, which is the same one if that was refused."""
        try:
            status, next_job = self._sent(job, reading, reason)
        except (MeterLeased, AlreadyRead, UnknownMeter) as error:
            print(error)
            return self._client.get_job()
        except SubmissionError as error:
            print(error)
            return job
        print(f"Accepted: you have read {status.count} out of {status.total} readings")
        return next_job

    def _sent(self, job: Job, reading: int, reason: str) -> tuple[Status, Job | None]:
        """Send it, as often as the reader wishes when the server is out of reach. It counts once."""
        when, key = datetime.now(UTC), new_key()
        while True:
            try:
                return self._client.submit_and_next(job.meter, reading, reason, when, key)
            except SessionError:
                print("Your login has expired: log in again, your reading is kept")
                self._log_in()
            except ConnectionFailed as error:
                print(f"Error: {error}")
                again = self._terminal.ask(f"Not confirmed yet. Send the reading for meter {job.meter} again? [Y/n]: ")
                if again.lower() == "n":
                    raise

    def _ask_for_reading(self, job: Job) -> tuple[int, str] | None:
        """Return a reading, or -1 and a reason, as typed; None when the reader gives neither."""
        while text := self._terminal.ask(f"Reading for meter {job.meter}: "):
            if not re.fullmatch(r"-?[0-9]{1,20}", text):
                print(f"Invalid reading: {text} is not a whole number")
            elif text.startswith("-"):
                print(f"Invalid reading: {text} is below zero")
            else:
                return int(text), ""
        reason = self._terminal.ask(f"Reason for meter {job.meter}: ")
        return (-1, reason) if reason else None

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
        print(f"Route {job.route}, stop {job.sequence}" + (f": {job.address}" if job.address else ""))
    elif job.address:
        print(job.address)
    if job.instructions:
        print(job.instructions)
