"""Real meters and their true readings, read by a whole crew at once."""

import csv
import gzip
import io
import sys
from datetime import UTC, datetime

import pexpect
import pytest
import rpyc
import warm
from commands import METERMT
from conftest import DEADLINE, start
from servers import ROOT, Servers, make_database

DATA = ROOT.parent / "shared" / "data"
CYCLE = "2017-05"

pytestmark = pytest.mark.skipif(not (DATA / "routes.csv").exists(), reason=f"the real readings are not in {DATA}")


@pytest.fixture
def meters():
    """The meters of the route file, by number."""
    with (DATA / "routes.csv").open(encoding="utf-8", newline="") as file:
        return {row["meter"]: row for row in csv.DictReader(file)}


@pytest.fixture
def answers(meters):
    """What each register truly showed last; a reason where it cannot have been this register."""
    with gzip.open(DATA / "readings.csv.gz", "rt", encoding="utf-8", newline="") as file:
        last = {row["meter"]: int(row["current"]) for row in csv.DictReader(file)}
    assert set(last) == set(meters)
    return {
        meter: (last[meter], "") if 0 <= last[meter] < 10 ** int(row["dials"]) else (-1, "Another register")
        for meter, row in meters.items()
    }


@pytest.fixture
def database(database_path, demo_accounts):
    return make_database(database_path, demo_accounts)


@pytest.fixture
def metermt(database):
    """Run a command on the database; return what it printed."""

    def metermt(*arguments):
        command = [METERMT, *arguments, "--database", database]
        return warm.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout

    return metermt


def test_the_real_routes_are_imported(metermt, meters):
    assert metermt("routes", "import", DATA / "routes.csv", "--cycle", CYCLE) == (
        f"Cycle {CYCLE}: 55 added, 0 changed, 0 unchanged.\n"
    )

    routes = [row["route"] for row in meters.values()]
    listed = [line.split() for line in metermt("routes", "list").splitlines()[1:]]
    assert listed == [[CYCLE, route, "0", str(routes.count(route))] for route in ("R1", "R2", "R3")]


class ConsoleReader:
    """A reader at `client_console.py`, who has been asked for the first meter."""

    def __init__(self, port, username):
        arguments = ["-W", "error", str(ROOT / "client_console.py"), "-p", str(port)]
        self._child = warm.spawn(sys.executable, arguments, encoding="utf-8", timeout=DEADLINE)
        self._child.delaybeforesend = None
        for prompt in ("Username", "Password: "):
            self._child.expect_exact(prompt)
            self._child.sendline(username)
        self._is_asked = self._wait_for_a_meter()

    def read(self, answers):
        """Read meters as long as there are any; return the exit status of the console."""
        while self._is_asked:
            value, reason = answers[self._child.match[1]]
            if reason:
                self._child.sendline("")
                self._child.expect_exact("Reason for meter")
            self._child.sendline(reason or str(value))
            self._is_asked = self._wait_for_a_meter()
        self._child.expect(pexpect.EOF)
        self.close()
        return self._child.exitstatus

    def close(self):
        self._child.close(force=True)

    def _wait_for_a_meter(self):
        return self._child.expect([r"Reading for meter (\w+): ", "All jobs are done", "left, "]) == 0


class PlainReader:
    """A reader with a program of their own that knows RPyC and the four calls, who has got the first meter."""

    def __init__(self, port, username):
        self._connection = rpyc.connect("localhost", port)
        self._server = self._connection.root
        self._session_id, _ = self._server.login(username, username)
        self._meter = self._server.get_job(self._session_id)

    def read(self, answers):
        """Read meters as long as there are any; return this reader's status."""
        while self._meter:
            self._server.submit_reading(self._session_id, self._meter, datetime.now(), *answers[self._meter])
            self._meter = self._server.get_job(self._session_id)
        return self._server.get_status(self._session_id)

    def close(self):
        self._connection.close()


def test_a_crew_reads_every_real_meter_once(metermt, database, meters, answers, tmp_path):
    metermt("routes", "import", DATA / "routes.csv", "--cycle", CYCLE)
    began = datetime.now(UTC).replace(microsecond=0)
    crew = []
    with Servers(tmp_path) as servers:
        port = servers.start("--database", database).port
        try:
            for kind, username in ((ConsoleReader, "adam"), (ConsoleReader, "carol"), (PlainReader, "gwenda")):
                crew.append(kind(port, username))
            reading = [start(lambda reader=reader: reader.read(answers)) for reader in crew]
            *console_statuses, (count, total) = [result() for result in reading]
        finally:
            for reader in crew:
                reader.close()
        exported = metermt("readings", "export", "-")

    rows = list(csv.DictReader(io.StringIO(exported)))
    assert console_statuses == [0, 0]
    assert {row["meter"]: (row["reading"], row["reason"]) for row in rows} == {
        meter: ("" if reason else str(value), reason) for meter, (value, reason) in answers.items()
    }
    assert len(rows) == len(meters) == 55
    for row in rows:
        job = meters[row["meter"]]
        assert all(row[column] == job[column] for column in ("kind", "route", "sequence", "address", "previous"))
        assert began <= datetime.fromisoformat(row["read_at"]) <= datetime.fromisoformat(row["recorded_at"])
        assert datetime.fromisoformat(row["recorded_at"]) <= datetime.now(UTC)
    readers = [row["reader"] for row in rows]
    assert set(readers) == {"adam", "carol", "gwenda"}
    assert readers.count("gwenda") == count <= total <= 55
