"""Readers and the office in front of a desk, for tests of calls."""

from datetime import date, timedelta

import pytest
from argon2 import PasswordHasher
from conftest import CYCLE, MANY, make_jobs, make_place, wait_until
from servers import fill
from steps import meters_of

from metermt import passwords
from metermt.calls import opening, places, readings, rounds, sessions
from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.errors import LoginError, TooManyFailures
from metermt.model import Answer, Role

WHEN = "2026-11-20T09:55:00Z"
FIRST_READ = date(2025, 11, 1)
BAD_LOGIN = "^Invalid username or password$"
BAD_SESSION = "^Invalid session ID$"


class Reader:
    """A reader who has logged in by a connection of their own."""

    def __init__(self, desk, username="carol", address="", password=None, session_id=None):
        self.desk = desk
        self.caller = Caller(address)
        self.session_id = session_id or ""
        if not session_id:
            self.session_id = self.ask(sessions.login, sessions.Login(username, password or username)).session_id

    def ask(self, call, request=None):
        """Ask for a call on this connection."""
        return self.desk.ask(call, request, self.session_id, self.caller)

    def meter(self):
        """Ask for a job; return the number of its meter."""
        return self.ask(rounds.get_job)

    def meters(self, n):
        """Ask for jobs; return the numbers of their meters."""
        return [job.meter.number for job in self.ask(rounds.get_jobs, rounds.JobsWanted(n))]

    def submit(self, meter, value=5, reason="", when=WHEN, key=None, cycle=None):
        return self.ask(readings.submit_reading, Answer(meter, value, reason, when, key, cycle))

    def submit_many(self, answers):
        return self.ask(readings.submit_readings, readings.Answers(answers))

    def submit_and_next(self, meter, value=5, reason="", when=WHEN, key=None, cycle=None):
        return self.ask(readings.submit_and_next, Answer(meter, value, reason, when, key, cycle))

    def status(self):
        return self.ask(readings.get_status)

    def log_out(self):
        self.ask(sessions.logout)

    def hang_up(self):
        """Lose the connection; the session goes on. What comes next is asked on a new one."""
        noted = self.desk.store.begin

        def begin(*args, **kwargs):
            notes.append(noted(*args, **kwargs))
            return notes[-1]

        notes = []
        self.desk.store.begin = begin
        try:
            self.desk.hang_up([self.caller])
        finally:
            self.desk.store.begin = noted
        wait_until(lambda: all(note.wait(0) for note in notes), "it was noted that the connection is lost")
        self.caller = Caller(self.caller.address)

    def at(self, desk):
        """Return this reader on a connection to another desk, with the same session."""
        return Reader(desk, session_id=self.session_id)


def as_office(desk, call, request=None, role=Role.ADMIN):
    """Ask for a call as somebody of this role who needs no login."""
    return desk.ask(call, request, caller=Caller(role=role))


def open_with_past(desk, meters, *, first=FIRST_READ, months=12, also=()):
    """Let meters hang along a route, with a past of which each uses 12 in 30 days, and open the cycle.

    `meters` have what each showed on the first day, or would have shown if it has gone over its top since; `also` has
    what else is to be said of some of their places. All is imported as the office would.
    """
    more = dict(also)
    hung = [make_place(meter, sequence=sequence, **more.get(meter, {})) for sequence, meter in enumerate(meters)]
    as_office(desk, places.import_places, places.Places(hung))
    past = [
        places.Shown(
            place.meter.number, first + timedelta(days=30 * month), (shown + 12 * month) % 10**place.meter.dials
        )
        for place, shown in zip(hung, meters.values(), strict=True)
        for month in range(months)
    ]
    assert as_office(desk, places.import_history, places.Past(past)) == [None] * len(past)
    as_office(desk, opening.open_cycle, opening.Opening(CYCLE))


def log_in(desk, username="carol", password=None, address="10.0.0.1"):
    """Try to log in from an address; return the outcome, which may be an error."""
    try:
        return desk.ask(sessions.login, sessions.Login(username, password or username), caller=Caller(address))
    except LoginError as error:
        return error


def fail_to_log_in(desk, times, username="carol", address="10.0.0.1"):
    for _ in range(times):
        outcome = log_in(desk, username, "wrong", address)
        assert (type(outcome), str(outcome)) == (LoginError, "Invalid username or password")


def is_shut_out(desk, username="carol", address="10.0.0.1"):
    """Tell whether even the right password is refused."""
    return isinstance(log_in(desk, username, address=address), TooManyFailures)


def readings_in(store):
    """Return all readings, in the order of an export."""
    return store.read(lambda tx: [reading for _, reading in tx.readings.all(None)])


def left_to(store, username="carol"):
    """Return the numbers of the meters that are left to whatever session of a reader asks next."""
    left = store.read(lambda tx: tx.leases.left({username: MANY}))
    return meters_of(left.get(username, []))


class CountingHasher(PasswordHasher):
    """Counts the calls that are costly at full cost, and notes the passwords in their order."""

    def __init__(self, **cost):
        super().__init__(**cost)
        self.hashed = []

    @property
    def calls(self):
        return len(self.hashed)

    def hash(self, password, **kwargs):
        self.hashed.append(password)
        return super().hash(password, **kwargs)

    def verify(self, known, password):
        self.hashed.append(password)
        return super().verify(known, password)


@pytest.fixture
def hasher(monkeypatch):
    """Argon2 at next to no cost, which counts its calls."""
    cheap = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    return cheap


@pytest.fixture
def desk(store, clock, demo_accounts, hasher):
    """A desk of each kind of store in turn, with the demo's users, and a route of five meters M00000 to M00004."""
    return Desk(fill(store, demo_accounts, make_jobs(5)), clock=clock)


@pytest.fixture
def desk_of_readers(store, clock, demo_accounts, hasher):
    """A desk of each kind of store in turn, with the demo's users, and nothing to be read."""
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    return Desk(store, clock=clock)


@pytest.fixture
def carol(desk):
    """Carol, who has logged in at the desk."""
    return Reader(desk, "carol")


@pytest.fixture
def adam(desk):
    """Adam, who has logged in at the desk."""
    return Reader(desk, "adam")
