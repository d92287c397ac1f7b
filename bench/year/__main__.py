"""`python -m bench.year`: a year of a utility with real servers; what was lost, what was caught, what was billed."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.databases import cheap_account
from bench.machine import busy_seconds, cpu_seconds
from bench.year.clock import Clock
from bench.year.crew import Crew
from bench.year.figures import QUICK, Size
from bench.year.month import Month, Utility
from bench.year.office import NAME
from bench.year.readers import Habits
from bench.year.servers import Servers
from bench.year.table import outcome, show
from bench.year.town import Town
from metermt.config import is_url
from metermt.model import Role
from metermt.store.opening import open_store


def main() -> None:
    chosen = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended by SIGTERM"))  # not without ending the servers
    size = QUICK if chosen.quick else Size()
    size = replace(size, **{name: value for name in ("meters", "months", "seed") if (value := getattr(chosen, name))})
    started, busy = time.monotonic(), busy_seconds()
    with tempfile.TemporaryDirectory(prefix="metermt-year-", dir=chosen.folder, ignore_cleanup_errors=True) as name:
        found = _year(size, Path(name), chosen.database)
    seconds = time.monotonic() - started
    own = cpu_seconds(os.getpid()) + sum(os.times()[2:4])
    machine = {
        "seconds": round(seconds),
        "processor_seconds": round(own),
        "processors_kept_busy_by_others": round(max(busy_seconds() - busy - own, 0.0) / seconds, 2),
    }
    if chosen.json:
        print(json.dumps({"year": found, "machine": machine}, indent=1))
    else:
        show(found, machine, Console(width=None if sys.stdout.isatty() else 140))


def _year(size: Size, folder: Path, url: str | None) -> dict[str, Any]:
    """Play it; return what is to be told of it."""
    database = url or str(folder / "year.db")
    town = Town(size)
    habits = Habits(town)
    _add_accounts(database, habits)
    clock = Clock(folder / "clock")
    months: list[Month] = []
    with ExitStack() as opened:
        crew = opened.enter_context(Crew(habits))
        servers = opened.enter_context(Servers(folder, database, clock))
        utility = Utility(habits, crew, servers, clock, 2 if url else 1)
        for month in range(1, size.months + 1):
            months.append(utility.play(month))
            print(f"{months[-1].cycle}: {months[-1].seconds:.0f} s", file=sys.stderr, flush=True)
        record = utility.office.client.verify_audit()
        servers.let_there_be(0)
        return outcome(months, utility, servers, database) | {
            "record": {"entries": record.count, "fault": record.fault}
        }


def _add_accounts(database: str, habits: Habits) -> None:
    """Add whoever logs in, with passwords that are hashed cheaply: logins are no part of this."""
    accounts = [cheap_account(name) for name in habits.names]
    with open_store(database if is_url(database) else Path(database)) as store:
        if store.read(lambda tx: tx.accounts.users()):
            sys.exit(f"Error: {store.location()} has users in it: give an empty database")
        store.write(lambda tx: tx.accounts.put([*accounts, cheap_account(NAME, Role.ADMIN)]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small town for three months, with more mistakes")
    parser.add_argument("--json", action="store_true", help="print what was found for a program")
    parser.add_argument("--database", metavar="URL", help="an empty PostgreSQL database [default: a file of SQLite's]")
    parser.add_argument("--folder", type=Path, help="where files are made [default: /tmp]")
    parser.add_argument("--seed", type=int, help="of the town, and of whatever happens in it [default: 1]")
    parser.add_argument("--meters", type=int, help="in the town [default: 20000]")
    parser.add_argument("--months", type=int, help="to be played, from January [default: 12]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
