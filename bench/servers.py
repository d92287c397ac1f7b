"""SQLite and PostgreSQL side by side, with one server and with two: `python -m bench.servers --database URL`."""

import argparse
import os
import tempfile
from contextlib import ExitStack, suppress
from itertools import product
from pathlib import Path
from statistics import median

import psycopg
from rich.console import Console
from rich.table import Table

from bench.bulk import export_seconds, import_seconds, submit_seconds, write_route_file
from bench.databases import COLUMNS, CYCLE, READING, accounts, copy_of, make_database
from bench.machine import cpu_seconds
from bench.processes import Server, metermt
from bench.rounds import Sample, measure_clients, rows_of
from bench.systems import MeterReader
from metermt.client.client import MeterClient
from metermt.store.postgres.store import PostgresStore

_JOBS = f"""
    INSERT INTO jobs ({COLUMNS})
    SELECT 'W' || lpad(n::text, 7, '0'), 'W', 5, n || ' Station Road', 'Behind the hedge', '1', 1, '{CYCLE}',
           'W' || lpad((n / 250)::text, 5, '0'), n %% 250, 1000, '2026-10-31' FROM generate_series(0, %s - 1) AS n
"""
_READINGS = f"""
    WITH added AS (
        INSERT INTO readings ({READING})
        SELECT id, 'reader' || lpad((id %% 64)::text, 2, '0'), 4711, '', '2026-11-20T10:00:00+00:00',
               '2026-11-20T10:00:01+00:00', 'stored-' || lpad(id::text, 12, '0'), 'A', '', ''
        FROM jobs ORDER BY id LIMIT %s
        RETURNING id, job
    )
    UPDATE jobs SET reading = added.id, state = 'done' FROM added WHERE jobs.id = added.job
"""
_TALLIES = f"INSERT INTO tallies SELECT '{CYCLE}', username, count(*) FROM readings GROUP BY username"
_TABLES = (
    "metermt_schema, users, sessions, servers, login_failures, cycles, tallies, places, history, assignments, jobs,"
    " leases, readings, limits, looks, reasons, notes, found, settings, decisions, exchanges,"
    " batches, batch_lines, audit, unsealed, names"
)


def fill(url: str, *, unread: int, stored: int = 0) -> None:
    """Put `READERS`, so many readings and so many meters that wait for one into a database, in place of what is there.

    Raises `SystemExit` for a database in which there is something that was not put there by this.
    """
    with PostgresStore(url) as store:
        users = store.read(lambda tx: tx.accounts.users())
        if not {user.username for user in users} <= {account.user.username for account in accounts()}:
            raise SystemExit(f"{url} has other users in it: give an empty database")
    with psycopg.connect(url, autocommit=True) as connection:  # made anew, so that nothing is known of them
        connection.execute(f"DROP TABLE {_TABLES}")
        connection.execute("DROP FUNCTION check_none_is_missing")
    with PostgresStore(url) as store:
        store.write(lambda tx: (tx.accounts.put(accounts()), tx.cycles.open(CYCLE)))
    with psycopg.connect(url, autocommit=True) as connection:
        if not unread + stored:
            return
        connection.execute(_JOBS, (unread + stored,))
        connection.execute("VACUUM ANALYZE jobs")
        if stored:
            connection.execute(_READINGS, (stored,))
            connection.execute(_TALLIES)
            connection.execute("VACUUM ANALYZE jobs, readings")
        connection.execute("CHECKPOINT")


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.servers")
    parser.add_argument("--database", required=True, metavar="URL", help="an empty PostgreSQL database; it is filled")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="that each number of clients is measured for")
    parser.add_argument("--meters", type=int, default=60_000, help="that wait for a reading")
    parser.add_argument("--stored", type=int, default=0, help="readings that are there already")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rounds = _measured_rounds(args, Path(name))
        bulks = _measured_bulks(args, Path(name))
    Console(width=130).print(_table_of_rounds(rounds), _table_of_bulks(bulks))


def _measured_rounds(args: argparse.Namespace, folder: Path) -> dict[tuple[str, int], list[Sample]]:
    """Return samples by system and number of clients; all systems take turns, on fresh databases and servers."""
    samples: dict[tuple[str, int], list[Sample]] = {}
    postgres = PostgresOfThisMachine(args.database)
    prepared = make_database(folder / "meters.db", unread=args.meters, stored=args.stored)
    for run in range(args.runs):
        for system, number in product(("SQLite", "PostgreSQL"), (1, 2)):
            for clients in filter(lambda clients: clients >= number, args.clients):
                if system == "SQLite":
                    database, spent = str(copy_of(prepared, "copy.db")), lambda: 0.0
                else:
                    fill(args.database, unread=args.meters, stored=args.stored)
                    database, spent = args.database, postgres.seconds
                with ExitStack() as stack:
                    servers = [stack.enter_context(_server_on(database, folder)) for _ in range(number)]
                    sample = measure_clients(MeterReader, servers, clients, args.seconds, spent)
                samples.setdefault((f"{system}, {number} server{'s' * (number > 1)}", clients), []).append(sample)
        Console(stderr=True).print(f"run {run + 1} of {args.runs}")
    return samples


def _measured_bulks(args: argparse.Namespace, folder: Path) -> dict[str, dict[str, list[float]]]:
    """Return, by what is done and by system, how many meters or readings a second that is."""
    rates: dict[str, dict[str, list[float]]] = {}
    meters, readings = folder / "meters.csv", folder / "readings.csv"
    write_route_file(meters, args.meters)
    empty = make_database(folder / "empty.db", unread=0)
    for _ in range(args.runs):
        for system in ("SQLite", "PostgreSQL"):
            if system == "SQLite":
                database = str(copy_of(empty, "bulk.db"))
            else:
                fill(args.database, unread=0)
                database = args.database
            seconds = {"import": import_seconds(meters, database)}
            with _server_on(database, folder) as server, MeterClient("127.0.0.1", server.port, timeout=120) as client:
                seconds["bulk submission"] = submit_seconds(client, args.meters)
            seconds["export"] = export_seconds(readings, database)
            for what, took in seconds.items():
                rates.setdefault(what, {}).setdefault(system, []).append(args.meters / took)
    return rates


def _server_on(database: str, folder: Path) -> Server:
    os.environ["METERMT_DATABASE"] = database
    return metermt(folder)


def _table_of_rounds(samples: dict[tuple[str, int], list[Sample]]) -> Table:
    columns = ("rounds/s", "min", "max", "ratio", "p50 ms", "p99 ms", "server CPU ms", "PostgreSQL CPU ms")
    table = Table("database", "clients", *columns)
    for row in rows_of(samples):
        figures = (f"{row[name]:,.0f}" for name in ("rounds_per_s", "rounds_per_s_min", "rounds_per_s_max"))
        times = (f"{row[name]:.2f}" for name in ("ratio", "p50_ms", "p99_ms"))
        spent = (f"{row[name]:.3f}" for name in ("server_cpu_ms", "database_cpu_ms"))
        table.add_row(row["system"], str(row["clients"]), *figures, *times, *spent)
    return table


def _table_of_bulks(rates: dict[str, dict[str, list[float]]]) -> Table:
    table = Table("what", "SQLite /s", "PostgreSQL /s", "ratio")
    for what, of in rates.items():
        sqlite, postgres = of["SQLite"], of["PostgreSQL"]
        ratio = median(there / here for there, here in zip(postgres, sqlite, strict=True))
        table.add_row(what, f"{median(sqlite):,.0f}", f"{median(postgres):,.0f}", f"{ratio:.2f}")
    return table


class PostgresOfThisMachine:
    """The processes of a PostgreSQL, if it runs here."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            self._first = parent_of(connection.info.backend_pid)  # which has started all others

    def seconds(self) -> float:
        """Return how much processor time they have taken, those that have ended included; 0 if they are elsewhere."""
        if self._first is None:
            return 0.0
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        living = [pid for pid in pids if parent_of(pid) == self._first]
        with suppress(OSError):
            return cpu_seconds(self._first, with_ended_children=True) + sum(map(cpu_seconds, living))
        return 0.0


def parent_of(pid: int) -> int | None:
    """Return which process has started a process of PostgreSQL, None if it is none."""
    with suppress(OSError):
        name, _, fields = Path(f"/proc/{pid}/stat").read_text().partition(" (")[2].rpartition(") ")
        return int(fields.split()[1]) if name == "postgres" else None
    return None


if __name__ == "__main__":
    main()
