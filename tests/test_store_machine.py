"""Every store does as the one in memory: told the same, they say the same."""

import shutil
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from conftest import (
    CYCLE,
    SERVER,
    Clock,
    add_readers,
    dump,
    import_jobs,
    make_account,
    make_job,
    make_lease,
    make_reading,
    make_session,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from postgres import empty
from steps import Failure, free_jobs, record

from metermt.model import JobState, Meter, Place, Role, Status, Walk
from metermt.quality import Look
from metermt.rules.history import Read
from metermt.store.memory.store import MemoryStore
from metermt.store.postgres.store import PostgresStore
from metermt.store.sqlite.store import SqliteStore

USERNAMES = ("adam", "carol", "eric")
METER_NUMBERS = ("E3", "G1", "G2", "W4")
SERVERS = st.sampled_from([SERVER, "there"])
MINUTES = st.sampled_from([1, 5, 10, 40])  # few, so that ends of time are met exactly
NAMES = st.sampled_from(USERNAMES)
NAMES_OF_ANYBODY = st.sampled_from((*USERNAMES, "nobody"))
METERS = st.sampled_from((*METER_NUMBERS, *METER_NUMBERS, "X9"))
CYCLES = st.sampled_from(["2026-10", CYCLE, "2026-12"])
CLOSING = st.sampled_from(["2026-10", "2026-12", "2026-13"])  # one is never closed: there is always something to do
WHICH = st.integers(0, 11)  # of the sessions that there are, or have ever been
KEYS = st.sampled_from([None, None, "k1", "k2", "k3"])
ACCOUNTS = st.builds(make_account, NAMES, full_name=st.sampled_from(["A", "B"]), role=st.sampled_from(Role))
JOBS = st.tuples(METERS, st.sampled_from(["North", "South", ""]), st.integers(0, 3), st.sampled_from([3, None]))
ANSWERS = st.tuples(NAMES, METERS, st.sampled_from([7, 999, None]), KEYS)


def few(elements, **options):
    return st.lists(elements, max_size=4, **options)


STEPS = st.one_of(
    st.tuples(st.just("put_accounts"), few(ACCOUNTS, unique_by=lambda account: account.user.username)),
    st.tuples(st.just("log_in"), NAMES, st.integers(3, 99), SERVERS),
    st.tuples(st.just("note"), few(WHICH), SERVERS),
    st.tuples(st.just("leave"), few(WHICH), SERVERS),
    st.tuples(st.just("leave_all"), SERVERS),
    st.tuples(st.just("end"), few(WHICH)),
    st.tuples(st.just("forget"), MINUTES),
    st.tuples(st.just("fail"), NAMES_OF_ANYBODY, MINUTES, MINUTES),
    st.tuples(st.just("open_cycle"), CYCLES),
    st.tuples(st.just("close_cycle"), CLOSING),
    st.tuples(st.just("reopen_cycle"), CLOSING),
    st.tuples(st.just("remove_cycle"), CLOSING),
    st.tuples(st.just("remove_unread"), few(METERS)),
    st.tuples(st.just("release"), few(METERS), st.sampled_from(["North", "South", ""])),
    st.tuples(st.just("import_jobs"), CYCLES, few(JOBS, unique_by=lambda row: row[0])),
    st.tuples(st.just("hand_out"), WHICH, st.integers(1, 3), MINUTES),
    st.tuples(st.just("lease"), few(st.tuples(METERS, WHICH, MINUTES), unique_by=lambda row: row[0])),
    st.tuples(st.just("end_expired")),
    st.tuples(st.just("end_of"), few(WHICH)),
    st.tuples(st.just("submit"), few(ANSWERS)),
    st.tuples(st.just("submit"), few(ANSWERS)),
    st.tuples(st.just("skip"), few(METERS)),
    st.tuples(
        st.just("doubt"), few(st.tuples(NAMES, METERS, st.sampled_from([None, "k1"])), unique_by=lambda row: row[1])
    ),
    st.tuples(st.just("go"), few(WHICH), st.sampled_from(["North", ""]), st.booleans()),
    st.tuples(st.just("remember"), few(st.tuples(METERS, st.integers(1, 3), st.booleans())), CYCLES),
    st.tuples(st.just("look"), few(METERS), few(NAMES_OF_ANYBODY), few(WHICH), st.integers(0, 3)),
)


class Transaction:
    """The steps of one transaction, each asked for in the way that the calls do; each returns what can be compared."""

    def __init__(self, tx, now, keys):
        self.tx = tx
        self.now = now
        self.keys = set(keys)  # of all sessions that ever were

    def take(self, name, *given):
        return name, getattr(self, name)(*given)

    # --- accounts and sessions

    def put_accounts(self, accounts):
        self.tx.accounts.put(accounts)
        return self.tx.accounts.users()

    def log_in(self, username, number, server):
        key = f"{username}-{number}"
        if key not in self.keys:  # a key is never given twice
            self.keys.add(key)
            self.tx.sessions.add([make_session(key, used_at=self.now.timestamp(), server=server)])
        return self.tx.sessions.find([key])

    def note(self, which, server):
        keys = self.sessions(which)
        used = {key: self.now.timestamp() + place for place, key in enumerate(keys)}
        self.tx.sessions.note(used, server)
        return self.tx.sessions.find(keys)

    def leave(self, which, server):
        self.tx.sessions.leave(self.sessions(which), server)

    def leave_all(self, server):
        self.tx.sessions.leave_all(server)

    def end(self, which):
        self.tx.sessions.end(self.sessions(which))

    def forget(self, minutes):
        self.tx.sessions.forget(self.now.timestamp() - 60 * minutes)
        return sorted(self.tx.sessions.of(USERNAMES))

    def fail(self, username, since, forget):
        at = self.now.timestamp()
        self.tx.failures.add(username, "address", at, at - 60 * forget)
        return self.tx.failures.of(username, "address", at - 60 * since)

    # --- jobs and leases

    def open_cycle(self, cycle):
        self.tx.cycles.open(cycle)
        return list(self.tx.cycles.all().items())

    def close_cycle(self, cycle):
        return self.tx.cycles.close(cycle)

    def reopen_cycle(self, cycle):
        return self.tx.cycles.reopen(cycle)

    def remove_cycle(self, cycle):
        """Remove a cycle without readings, if it is there."""
        routes = self.tx.progress.routes(cycle)
        jobs = self.tx.jobs.ids(cycle, self.tx.jobs.on_routes(cycle, [route.route for route in routes]))
        if cycle in self.tx.cycles.all() and not self.tx.readings.on_record(jobs.values()):
            self.tx.jobs.remove(jobs.values())
            self.tx.cycles.remove(cycle)
        return list(self.tx.cycles.all().items())

    def remove_unread(self, meters):
        """Remove the open jobs of meters that have never been read."""
        self.tx.jobs.remove(
            standing.job for standing in self.tx.rounds.standings(meters) if standing.state is JobState.OPEN
        )

    def release(self, meters, route):
        """End the leases of meters, and those of a route."""
        standings = self.tx.rounds.standings(meters)
        self.tx.leases.end([standing.job for standing in standings if standing.leased_to])
        self.tx.leases.end(self.tx.leases.of_routes([route]))

    def import_jobs(self, cycle, rows):
        if not self.tx.cycles.all().get(cycle, True):
            return None
        jobs = [make_job(meter, cycle, route, place, dials=dials) for meter, route, place, dials in rows]
        self.tx.cycles.open(cycle)
        there = self.tx.jobs.find(cycle, [job.meter.number for job in jobs])
        self.tx.jobs.add(job for job in jobs if job.meter.number not in there)
        self.tx.jobs.change(job for job in jobs if job.meter.number in there)
        return there

    def hand_out(self, which, most, minutes):
        """Lease the first free jobs to a session."""
        free = free_jobs(self.tx)[:most]
        for session in self.living([which]):
            self.put([(known.id, session, minutes) for known in free])
        return [known.job for known in free]

    def lease(self, rows):
        """Lease jobs to sessions, unless another reader holds them."""
        wanted = {meter: (session, minutes) for meter, which, minutes in rows for session in self.living([which])}
        standings = self.tx.rounds.standings(wanted)
        open_ones = [(one, *wanted[one.meter]) for one in standings if one.state is not JobState.DONE]
        self.put(
            (one.job, session, minutes)
            for one, session, minutes in open_ones
            if one.leased_to in (None, session.split("-")[0])
        )

    def put(self, rows):
        until = self.now.timestamp()
        self.tx.leases.put(
            make_lease(job, session.split("-")[0], session, until + 60 * minutes) for job, session, minutes in rows
        )

    def skip(self, meters):
        """Leave jobs for later, whoever holds them."""
        standings = [one for one in self.tx.rounds.standings(meters) if one.state is not JobState.DONE]
        self.tx.rounds.skip({standing.job for standing in standings})
        walks = [Walk(route, reverse) for route in ("North", "") for reverse in (False, True)]
        found = self.tx.rounds.free(dict.fromkeys(walks, 3))
        return self.tx.rounds.routes_left(9), {walk: [known.job for known in jobs] for walk, jobs in found.items()}

    def go(self, which, route, reverse):
        """Let readers walk a route."""
        self.tx.walks.go({key: Walk(route, reverse) for key in self.living(which)})
        return sorted(self.tx.walks.now(0))

    def doubt(self, rows):
        """Ask readers to look again, or no more, at the latest jobs of meters."""
        latest = {one.meter: one.job for one in self.tx.rounds.standings([meter for _, meter, _ in rows])}
        looks = {latest[meter]: key and Look(username, 7, key) for username, meter, key in rows if meter in latest}
        self.tx.readings.ask_again(looks)
        return {(one.cycle, one.meter): one.look for one in self.tx.rounds.standings(METER_NUMBERS)}

    def remember(self, rows, cycle):
        """Say what meters have shown in the past."""
        known = [row for row in rows if row[0] in METER_NUMBERS]
        self.tx.places.put([Place(Meter(meter), "North", 3) for meter in {meter for meter, *_ in known}])
        shown = [(meter, Read(date(2026, day, day), day, new, day % 2 == 0)) for meter, day, new in known]
        self.tx.places.add_history(shown)
        found = self.tx.places.history(METER_NUMBERS, but_not={cycle})
        return {meter: sorted(reads, key=repr) for meter, reads in found.items()}

    def end_expired(self):
        self.tx.leases.end_expired(self.now.timestamp())

    def end_of(self, which):
        self.tx.leases.end_of(self.sessions(which))

    # --- readings

    def submit(self, rows):
        """Add readings of several readers, perhaps for the same meters, each to the latest open cycle."""
        known = self.tx.readings.by_key([(username, key) for username, *_, key in rows if key])
        latest = {
            standing.meter: standing.cycle for standing in self.tx.rounds.standings([meter for _, meter, *_ in rows])
        }
        readings = []
        for username, meter, value, key in rows:
            if meter in latest and (username, key) not in known:
                readings.append(
                    make_reading(meter, username, latest[meter], self.now, value=value, reason="dog", key=key)
                )
                known |= {(username, key): readings[-1]} if key else {}
        record(self.tx, readings)
        return {of: reading.answer for of, reading in known.items()}

    def look(self, meters, usernames, which, most):
        """Ask for whatever can be asked for."""
        standings = self.tx.rounds.standings(meters)
        held = self.tx.leases.held(dict.fromkeys(self.sessions(which), most))
        left = self.tx.leases.left(dict.fromkeys(usernames, most))
        for jobs in (*held.values(), *left.values()):
            assert jobs == sorted(jobs, key=lambda known: known.id)
        return (
            self.tx.accounts.find(usernames),
            self.tx.rounds.closed_hands(meters),
            self.tx.leases.holders(self.now.timestamp()),
            {(standing.cycle, standing.meter): (standing.state, standing.leased_to) for standing in standings},
            [standing.cycle for standing in standings],
            [{of: [known.job for known in jobs] for of, jobs in found.items()} for found in (held, left)],
            [known.job for known in free_jobs(self.tx)[:most]],
            self.tx.readings.tallies(usernames),
            list(self.tx.readings.all(CYCLE)),
            [self.tx.jobs.unread(cycle, 1 + most) for cycle in ("2026-10", CYCLE)],
        )

    # --- which sessions are meant

    def sessions(self, which):
        """Return some of the keys that ever were, each once."""
        keys = sorted(self.keys)
        return list(dict.fromkeys(keys[number % len(keys)] for number in which))

    def living(self, which):
        keys = sorted(self.tx.sessions.find(self.keys))
        return [keys[number % len(keys)] for number in which if keys]


class SqliteDoesAsTheReference(RuleBasedStateMachine):
    """Stores that are told the same say the same, and what they say fits together."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.stores = (MemoryStore(), self.opened())
        self.keys = {f"{username}-{number}" for username in USERNAMES for number in (1, 2)}

    def opened(self):
        return SqliteStore(self.folder / "metermt.db")

    def teardown(self):
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin_a_round(self):
        for store in self.stores:
            add_readers(store, *USERNAMES)
            store.write(lambda tx: tx.places.put([Place(Meter(meter)) for meter in METER_NUMBERS]))
            for cycle in ("2026-10", CYCLE):
                import_jobs(
                    store, cycle, [make_job(meter, cycle, "North", place) for place, meter in enumerate(METER_NUMBERS)]
                )

    @rule(
        steps=st.lists(STEPS, min_size=1, max_size=6),
        fails=st.sampled_from([False, False, True]),
        is_begun=st.booleans(),
    )
    def write(self, steps, fails, is_begun):
        def work(tx):
            nonlocal told, keys
            taken = Transaction(tx, self.clock.now, self.keys)
            told, keys = [taken.take(*step) for step in steps], taken.keys
            if fails:
                raise Failure
            return told

        answers, told, keys = [], None, None
        for store in self.stores:
            try:
                returned = over(store.begin(work, lambda: None)) if is_begun else store.write(work)
            except Failure:
                assert fails
            else:
                assert returned is told
            answers.append(told)
        reference, other = answers
        assert reference == other
        if not fails:
            self.keys = keys

    @rule(minutes=MINUTES)
    def let_time_pass(self, minutes):
        self.clock.move(minutes=minutes)

    @invariant()
    def all_say_the_same_and_it_fits_together(self):
        said, other = map(dump, self.stores)
        assert said == other
        open_cycles = {cycle for cycle, is_open in said["cycles"].items() if is_open}
        counting = [reading for _, reading in said["readings"] if reading.counts]
        done = {(reading.cycle, reading.answer.meter) for reading in counting}
        assert len(done) == len(counting), "two readings of a job count"
        tallies = Counter(reading.username for reading in counting if reading.cycle in open_cycles)
        for username, status in said["tallies"].items():
            assert status == Status(tallies[username], tallies.total())
        held = [job for jobs in said["held"].values() for job in jobs]
        places = [(job.cycle, job.meter.number) for job in (*said["free"], *held)]
        places += [place for place in done if place[0] in open_cycles]
        assert sorted(places) == sorted(said["standings"]), "a job is not in exactly one place"

    @invariant()
    def no_store_knows_more_sessions_than_there_were(self):
        found = [store.read(lambda tx: tx.sessions.of((*USERNAMES, "nobody"))) for store in self.stores]
        assert sorted(found[0]) == sorted(found[1])
        assert set(found[0]) <= self.keys


def over(begun):
    assert begun.wait(20), "nobody else is there who could write"
    return begun.result()


class PostgresDoesAsTheReference(SqliteDoesAsTheReference):
    """The same, beside the one on PostgreSQL."""

    url = None  # of the database

    def opened(self):
        empty(self.url)
        return PostgresStore(self.url)


TestSqliteDoesAsTheReference = SqliteDoesAsTheReference.TestCase
TestSqliteDoesAsTheReference.settings = settings(max_examples=20, stateful_step_count=30)
TestPostgresDoesAsTheReference = PostgresDoesAsTheReference.TestCase
TestPostgresDoesAsTheReference.settings = settings(max_examples=10, stateful_step_count=30)  # each takes a second


@pytest.fixture(autouse=True)
def _where_postgres_is(request):
    if request.cls is TestPostgresDoesAsTheReference:
        PostgresDoesAsTheReference.url = request.getfixturevalue("postgres_url")
