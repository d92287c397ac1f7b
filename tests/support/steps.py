"""The steps of a store for tests: one at a time, and with meters instead of the ids of jobs."""

from collections import Counter

from metermt.model import Lease, Walk
from metermt.store.base import Tx

READING = {
    *("exchanges", "all_exchanges", "taken_down", "outdated", "in_cycle"),
    *("find", "disabled", "users", "of", "last_used", "since", "unread", "of_routes", "on_routes"),
    *("standings", "closed_hands", "free", "held", "holders", "left", "by_key", "tallies", "all"),
    *("active", "history", "days", "seasons", "routes", "routes_left", "limits", "ids", "assignments", "now"),
    *("reasons", "latest", "undecided", "by_id", "about", "search", "on_record", "closed", "but_latest", "open_routes"),
}


class Failure(Exception):
    """What goes wrong in a transaction."""


class Steps:
    """What a transaction offers, each step in a transaction of its own: `steps.accounts.put(…)`."""

    def __init__(self, store):
        self.store = store
        for name in Tx.__slots__:
            setattr(self, name, _Group(store, name))

    # By the numbers of meters:

    def free(self):
        return meters_of(self.free_jobs())

    def free_jobs(self):
        return self.store.read(free_jobs)

    def held(self, *keys, most=1000):
        found = self.leases.held(dict.fromkeys(keys, most))
        return {key: meters_of(jobs) for key, jobs in found.items()}

    def left(self, *usernames, most=1000):
        found = self.leases.left(dict.fromkeys(usernames, most))
        return {username: meters_of(jobs) for username, jobs in found.items()}

    def standing(self, meter):
        """Return how the only job of a meter in the open cycles stands."""
        (standing,) = self.rounds.standings([meter])
        return standing

    def lease(self, session, *meters, until):
        """Lease the only job of each meter to a session, whose key begins with the name of its reader."""
        jobs = [self.standing(meter).job for meter in meters]
        self.leases.put([Lease(job, session.split("-")[0], session, until) for job in jobs])

    def record(self, *readings):
        """Add readings as the calls do."""
        self.store.write(lambda tx: record(tx, readings))


class _Group:
    def __init__(self, store, name):
        self._store = store
        self._name = name

    def __getattr__(self, step):
        run = self._store.read if step in READING else self._store.write

        def in_a_transaction(*args, **kwargs):
            return run(lambda tx: _whole(getattr(getattr(tx, self._name), step)(*args, **kwargs)))

        return in_a_transaction


def _whole(found):
    """Return what was found, also when a step yields it bit by bit, as long as the transaction lasts."""
    return list(found) if hasattr(found, "__next__") else found


def meters_of(jobs):
    """Return the numbers of the meters of known jobs."""
    return [known.job.meter.number for known in jobs]


def free_jobs(tx):
    """Return all jobs that can be handed out, in the order of `Job.place`."""
    walks = dict.fromkeys(map(Walk, tx.rounds.routes_left(1)), 10**6)
    return sorted(
        (known for jobs in tx.rounds.free(walks).values() for known in jobs), key=lambda known: known.job.place
    )


def record(tx, readings):
    """Add readings, and count the jobs that are done by them, as the calls do."""
    standings = {
        (standing.cycle, standing.meter): standing
        for standing in tx.rounds.standings({reading.answer.meter for reading in readings})
    }
    new = [(standings[reading.cycle, reading.answer.meter], reading) for reading in readings]
    more = Counter()
    for standing, reading in new:
        if standing.read_by:
            more[reading.cycle, standing.read_by] -= 1
        more[reading.cycle, reading.username] += 1
        standing.read_by = reading.username
    tx.readings.add([(standing.job, reading) for standing, reading in new])
    tx.readings.count({of: number for of, number in more.items() if number})
