"""What a database must hold, whatever was done to those who wrote it."""

from contextlib import closing

import apsw
from readers import readings_in

from metermt.calls.desk import Desk
from metermt.calls.readings import accepted
from metermt.errors import Error
from metermt.store.sqlite.store import SqliteStore

_AT_ODDS = """
SELECT id, state, reading, leased FROM jobs
WHERE (state = 'done') <> (reading IS NOT NULL)
   OR (reading IS NOT NULL) <> (id IN (SELECT job FROM readings))
   OR leased <> (id IN (SELECT job FROM leases))
   OR leased AND state <> 'open'
"""


def record(store, username, answer):
    """Keep an answer, as the calls do, when it was made. Raises what the store raises, or what is wrong with it."""
    desk = Desk(store, clock=answer.when.timestamp)
    (outcome,) = store.write(lambda tx: accepted(desk.turn(tx), [(username, answer, "")]))
    if isinstance(outcome, Error):
        raise outcome


def assert_whole(path, attempted, acknowledged):
    """Open a database; assert that it holds what was acknowledged and no more than was attempted, each once."""
    with SqliteStore(path, create=False) as store:
        stored = [reading.answer for reading in readings_in(store)]
        tallies = tallies_in(store)
        routes = store.read(lambda tx: tx.progress.open_routes())
    by_key = {said.key: (said.meter, said.value) for said in stored}
    lost = {key: sent for key, sent in acknowledged.items() if by_key.get(key) != sent}
    assert not lost, f"acknowledged, and lost or changed: {lost}"
    made_up = {key: sent for key, sent in by_key.items() if attempted.get(key) != sent}
    assert not made_up, f"stored, and never sent: {made_up}"
    assert len(by_key) == len(stored), "a key is there twice"
    assert len({said.meter for said in stored}) == len(stored), "a meter is there twice"
    assert {tally.total for tally in tallies} == {len(stored)}
    assert sum(tally.count for tally in tallies) == len(stored)
    assert sum(route.done for route in routes) == len(stored)
    assert integrity_of(path) == "ok"
    return len(stored)


def tallies_in(store):
    """Return the status of every user."""
    return list(store.read(lambda tx: tx.readings.tallies([user.username for user in tx.accounts.users()])).values())


def integrity_of(path):
    """Return what SQLite says of a file, once its tables have been found to agree with one another."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        connection.set_busy_timeout(10_000)  # milliseconds: what another program was killed at is made good first
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'leases'").fetchall():
            assert connection.execute(_AT_ODDS).fetchall() == []
        return connection.execute("PRAGMA integrity_check").fetchall()[0][0]
