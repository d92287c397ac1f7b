"""Databases with something in every table, and all that is in one, table by table."""

from contextlib import closing
from datetime import date
from decimal import Decimal

import apsw
import psycopg
from conftest import CYCLE, NOW, OTHER_CYCLE, T0, import_jobs, make_job, make_place, make_reading
from databases import fill

from metermt.audit import Entry, What
from metermt.billing import BatchHead
from metermt.calls.audit import seal
from metermt.config import is_url
from metermt.decisions import Decision, Setting, Verdict
from metermt.fieldnotes import Found, Note, Reason
from metermt.model import Assignment, Server
from metermt.quality import Look
from metermt.rules.consumption import Exchange
from metermt.rules.history import Read
from metermt.store.opening import open_store
from metermt.store.steps.billing import Line

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'metermt_schema'",
}


def contents(place):
    """Return the rows of each table, by the names of their columns, in an order of their own."""
    if is_url(place):
        with psycopg.connect(place) as connection:
            return _contents(connection, "postgres")
    with closing(apsw.Connection(str(place), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        return _contents(connection, "sqlite")


def _contents(connection, kind):
    return {
        table: _rows(connection.execute(f"SELECT * FROM {table}")) for (table,) in connection.execute(_TABLES[kind])
    }


def _rows(cursor):
    names = None
    rows = []
    for row in cursor:
        names = names or [column[0] for column in cursor.description]
        rows.append(dict(zip(names, row, strict=True)))
    return sorted(rows, key=repr)


def without_servers(found):
    """Leave out which servers there are, and who is connected to them."""
    sessions = [row | {"server": None} for row in found["sessions"]]
    return found | {"servers": [], "sessions": sorted(sessions, key=repr)}


def foreign_keys(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
        ).fetchall()


def fill_all_tables(place):
    """Put something into every table of a database, with ids that are not consecutive."""
    at = NOW.isoformat()
    with open_store(place) as store:
        fill(store, 20)
        import_jobs(store, OTHER_CYCLE, [make_job("G1", OTHER_CYCLE, address='Größe 3, "left" \\N')])

        def more(tx):
            tx.cycles.close(OTHER_CYCLE)
            job = tx.rounds.standings(["M00000"])[0].job
            tx.readings.add([(job, make_reading("M00000", value=None, reason='"Hund" \N{DOG}\\', key="again"))])
            tx.sessions.leave(["adam-1", "adam-2"], "here")
            tx.sessions.end(["adam-2"])
            tx.failures.add("adam", "10.1.2.3", T0 + 1 / 3, T0 - 100)
            tx.servers.note(Server("here", "0.1.0", 2, T0))
            tx.places.put([make_place("M00000"), make_place("G1", multiplier=Decimal("0.1"))])
            tx.places.add_history([("G1", Read(date(2026, 10, 1), 5)), ("G1", Read(date(2026, 10, 1), 0, True))])
            tx.jobs.set_limits({job: "{}"})
            tx.walks.assign([Assignment("North", "adam", reverse=True)])
            tx.settings.add(Setting("sensitivity", "2.0", "adam", NOW))
            tx.readings.ask_again({job: Look("adam", 7, None)})
            tx.notes.put_reasons([Reason("dog", "Hund \N{DOG}", retired=True), Reason("bees", "Bees", True, False)])
            tx.notes.add([Note("M00000", "key at \N{GREEK SMALL LETTER ALPHA}", "adam", NOW)])
            (read,) = tx.office.of_meters(["M00000"])
            tx.office.add([Decision(job, read.reading_id, Verdict.APPROVE, "seen", "", NOW)])
            head = BatchHead(number=1, made_at=NOW, lines=1, sum_billed_use=Decimal("0.5"))
            tx.batches.begin(head, "csv", "name = 'csv'", "key-7")
            tx.batches.add(1, [Line(1, job, read.reading_id, "reading", "{}")], T0 + 1 / 3)
            taken_down = Exchange(NOW.date(), "G1", 9, 0, 5, Decimal("0.1"), "G2", "adam", NOW)
            tx.devices.exchange(taken_down, make_place("G2").meter)
            tx.finds.add([Found("E9", "", None, None, "in the barn", "adam", NOW)])
            tx.audit.add([Entry(at, "adam", "10.1.2.3", What.READING, "M00000", "", "", "5 \N{DOG}")])

        store.write(more)
        seal(store)
        store.write(
            lambda tx: tx.audit.add([Entry(NOW.isoformat(), "", "", What.SETTING, "sensitivity", "adam", "1", "2")])
        )
    return place


def fill_with(place, readings):
    """Put that many readings into a database."""
    with open_store(place) as store:
        fill(store, 0)
        for first in range(0, readings, 2000):
            meters = [f"N{number:06}" for number in range(first, min(first + 2000, readings))]
            ids = import_jobs(store, CYCLE, [make_job(meter) for meter in meters])
            store.write(
                lambda tx, ids=ids: tx.readings.add([(ids[meter], make_reading(meter, key=meter)) for meter in ids])
            )
    return place
