"""The commands of ops for tests: run as processes, in a terminal, or in this process; and what they leave behind."""

import csv
import io
import os
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest
import warm
from click.testing import CliRunner
from conftest import CYCLE, DEADLINE, add_readers, dump, import_jobs, make_job, make_reading
from steps import Steps

from metermt.cli import main
from metermt.model import Server
from metermt.quality import Cause, Flag, Quality
from metermt.store.opening import open_store
from metermt.store.sqlite.store import SqliteStore
from metermt.version import VERSION

LISTED = "cycle    route     done  jobs  given to\n"
"""The headings of `metermt routes list` in these tests."""

METERMT = Path(sys.executable).with_name("metermt")
PASSWORD = "correct horse"
ODD = (Flag.LOW, Flag.NO_HISTORY)
READ_AT = datetime(2026, 11, 19, 8, 30, 15, tzinfo=UTC)


@pytest.fixture
def environment(tmp_path, database_path):
    """What the commands find around them: the database of this test, and no home but a new one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METERMT_", "XDG_", "PYTHON"))}
    return {**kept, "HOME": str(tmp_path / "home"), "METERMT_DATABASE": str(database_path), "TERM": "xterm"}


@pytest.fixture
def metermt(environment, tmp_path):
    """Run `metermt` with these arguments; other words are for its environment, None takes one away."""

    def metermt(*arguments, stdin="", **variables):
        changed = {name: value for name, value in {**environment, **variables}.items() if value is not None}
        return warm.run(
            (METERMT, *arguments),
            input=stdin,
            env=changed,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

    return metermt


@pytest.fixture
def invoke(environment, tmp_path, monkeypatch, hasher):
    """Do as `metermt`, in this process: for the many cases whose command another test has run for real."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, stdin=None, **variables):
        result = CliRunner().invoke(
            main, list(arguments), input=stdin, env=environment | variables, catch_exceptions=False
        )
        return SimpleNamespace(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)

    return invoke


@pytest.fixture
def in_terminal(environment):
    """Run `metermt` with these arguments in a terminal."""
    children = []

    def in_terminal(*arguments):
        child = warm.spawn(
            str(METERMT), list(arguments), env=environment, encoding="utf-8", timeout=DEADLINE, dimensions=(24, 120)
        )
        children.append(child)
        return child

    yield in_terminal
    for child in children:
        child.close(force=True)


@pytest.fixture
def crew_database(database_path):
    """A database with carol and eric, and two meters on the route North."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol", "eric")
        import_jobs(store, CYCLE, [make_job("G1"), make_job("G2", sequence=1)])
    return database_path


@pytest.fixture
def crew_server(servers, crew_database, demo_accounts):
    """A server on that database, with the demo's users in it."""
    with SqliteStore(crew_database) as store:
        store.write(lambda tx: _add_missing(tx, demo_accounts))
    return servers.start("--database", crew_database)


def _add_missing(tx, accounts):
    known = tx.accounts.find([account.user.username for account in accounts])
    tx.accounts.put([account for account in accounts if account.user.username not in known])


@pytest.fixture
def read_meters(database_path):
    """A database with readings of every sort: with a remark, corrected, with a reason only, and one not read."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol", "eric")
        import_jobs(
            store,
            CYCLE,
            [
                make_job("E445691", kind="E", sequence=1, dials=6),
                make_job(
                    "G72168", sequence=2, address="Größe 3, left", previous=4700, previous_date=date(2026, 10, 31)
                ),
                make_job("W5248", kind="W", route="South", sequence=1),
                make_job("W9", kind="W", route="South", sequence=2),
            ],
        )
        for reading in (
            make_reading(
                "W5248", "eric", value=None, reason="Couldn't find the meter", code="not-found", key="k3", when=READ_AT
            ),
            make_reading("G72168", value=4711, key="k1", when=READ_AT),
            make_reading("G72168", value=4712, reason='Glass "broken"', key="k2", when=READ_AT),
            make_reading("E445691", value=0, when=READ_AT),
            make_reading("W9", "eric", value=7, quality=Quality.VERIFIED, flags=ODD, cause=Cause.DROPPED),
        ):
            Steps(store).record(reading)
        import_jobs(store, "2026-12", [make_job("W9", "2026-12", kind="W", route="South")])
        Steps(store).record(make_reading("W9", cycle="2026-12", value=8))
    return database_path


def ended(child):
    """Wait for the end of a program in a terminal; return what else was seen, and its exit status."""
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    return child.before, child.exitstatus


def server(name="here/localhost:11003", readers=3, seconds_ago=1.0):
    """Return a server that has given a sign of life."""
    return Server(name, VERSION, readers, time.time() - seconds_ago)


def note(place, *servers, forget=()):
    """Note servers in a database."""
    with open_store(place, create=False) as store:
        for each in servers:
            Steps(store).servers.note(each)
        Steps(store).servers.forget(forget)


def dump_of(path):
    """Return all that is in a database; None if there is none."""
    if not path.exists():
        return None
    with SqliteStore(path, create=False) as store:
        return dump(store)


def damage(path):
    """Spoil a page in the middle."""
    with path.open("r+b") as file:
        file.seek(2048 * 12)
        file.write(b"\xff" * 2048 * 4)


def rows_in(text):
    """Return the rows of a CSV by the names of their columns."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def assert_done(finished, stdout):
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, stdout, "")


def assert_refused(finished, words):
    """Check that a command ended with one line, which says this, and exit status 1."""
    assert finished.stderr == f"Error: {words}\n"
    assert finished.stdout == ""
    assert finished.returncode == 1
