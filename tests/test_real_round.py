"""A cycle of real meters, with their real past, is worked at once by a console, a window, and two programs."""

import csv
import gzip
import itertools
import sys
from collections import Counter
from datetime import date
from threading import Barrier, Lock

import pexpect
import pytest
import rpyc
import warm
from conftest import DEADLINE, start
from readers import readings_in
from servers import ROOT, make_database
from window_fixtures import display, open_window, opening_for, screens  # noqa: F401 - fixtures of a window

from metermt.cli.opened import office
from metermt.client.client import connect
from metermt.errors import ConfirmReading, InvalidReading
from metermt.gui.state import Screen
from metermt.store.sqlite.store import SqliteStore

DATA = ROOT.parent / "shared" / "data"
TODAY = date.today()
CYCLE = f"{TODAY:%Y-%m}"
NOBODY = "No access"

pytestmark = pytest.mark.skipif(not (DATA / "routes.csv").exists(), reason=f"the real readings are not in {DATA}")


def rows_of(name):
    opened = gzip.open if name.endswith(".gz") else open
    with opened(DATA / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def truth():
    """What each meter truly showed last."""
    return {row["meter"]: int(row["current"]) for row in rows_of("readings.csv.gz")}


@pytest.fixture
def town(database_path, demo_accounts, invoke, truth, tmp_path):
    """A database with the real meters and their past but for the last reading, as if that was due by now."""
    make_database(database_path, demo_accounts)
    rows = rows_of("readings.csv.gz")
    latest = {row["meter"]: row for row in rows}
    for row in rows:
        last = date.fromisoformat(latest[row["meter"]]["read_date"])
        row["read_date"] = str(TODAY - (last - date.fromisoformat(row["read_date"])))
    with (tmp_path / "past.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["meter", "read_date", "value", "previous", "days"])
        writer.writerows(
            [row["meter"], row["read_date"], row["current"], row["previous"], row["days"]]
            for row in rows
            if row is not latest[row["meter"]]
        )
    assert invoke("routes", "import", str(DATA / "routes.csv")).stdout == "55 of 55 meters new or changed.\n"
    assert invoke("history", "import", "past.csv").returncode == 0
    assert invoke("cycles", "open", CYCLE).stdout == f"Cycle {CYCLE} is open: 55 jobs added.\n"
    return database_path


class Plan:
    """What is typed for each meter, answer after answer: whoever is asked again types what the meter truly shows."""

    def __init__(self, truth):
        self._truth = truth
        self._lock = Lock()  # guards the two below
        self._answers = {}
        self.typed = Counter()  # kinds of answers
        self.all_there = Barrier(4)  # each with a meter before them
        self._kinds = dict(
            zip(sorted(truth), itertools.cycle(["right"] * 5 + ["high", "negative", "missing", "wrong"]))
        )

    def kind(self, meter):
        return self._kinds[meter]

    def next(self, meter):
        """Return what to type next: a value, or None for the reason."""
        with self._lock:
            answers = self._answers.setdefault(meter, self._of(meter))
            return next(answers)

    def _of(self, meter):
        kind, true = self._kinds[meter], self._truth[meter]
        self.typed[kind] += 1
        if kind == "missing":
            yield None
        elif kind == "high":
            yield min(10 * true + 7_000, 99_999)
        elif kind == "negative":
            yield max(true - 5_000, 0)
        elif kind == "wrong":
            yield 100_000 + true  # a digit more than there are dials
        while True:
            yield true


def at_the_console(port, plan):
    """Adam types into a console, and skips his first meter."""
    child = warm.spawn(
        sys.executable, ["-W", "error", str(ROOT / "client_console.py"), "-p", str(port)], encoding="utf-8", timeout=60
    )
    child.delaybeforesend = None
    try:
        for prompt in ("Username", "Password: "):
            child.expect_exact(prompt)
            child.sendline("adam")
        # Who has said a word is asked for another one when nothing is left; until then others may have left something.
        questions = [r"Reading for meter (\w+): ", r"Reason for meter (\w+): ", r"Enter leaves", pexpect.EOF]
        skipped = is_there = False
        while (asked := child.expect(questions)) != 3:
            if asked == 2:
                child.sendline("")
            elif asked == 1:
                child.sendline(NOBODY)
            elif not skipped:
                skipped = True
                child.sendline("/skip")
            else:
                if not is_there:
                    is_there = True
                    plan.all_there.wait(DEADLINE)
                value = plan.next(child.match[1])
                child.sendline("" if value is None else str(value))
    finally:
        child.close(force=True)


def by_plain_rpyc(port, plan):
    """Gwenda's program knows the four calls only."""
    connection = rpyc.connect("localhost", port)
    try:
        root = connection.root
        session, _ = root.login("gwenda", "gwenda")
        root.get_job(session)
        plan.all_there.wait(DEADLINE)
        while meter := root.get_job(session):
            value = plan.next(meter)
            try:
                root.submit_reading(
                    session, meter, None, -1 if value is None else value, NOBODY if value is None else ""
                )
            except Exception as error:  # of a class that RPyC makes up
                if not type(error).__name__.endswith(("ConfirmReading", "InvalidReading")):
                    raise
    finally:
        connection.close()


def by_program(port, plan):
    """Eric's program leaves a note, and corrects its last reading."""
    with connect("localhost", port) as client:
        client.login("eric", "eric")
        client.get_job()
        plan.all_there.wait(DEADLINE)
        first = None
        while job := client.get_job():
            number, value = job.meter.number, plan.next(job.meter.number)
            first = first or (client.leave_note(number, "The key is at the bakery") or number)
            try:
                client.submit_reading(number, value, "" if value is not None else NOBODY, cycle=job.cycle)
            except (ConfirmReading, InvalidReading):
                continue
        own = next(own for own in client.my_readings() if own.value is not None and own.value > 0)
        for value in (own.value + 1, own.value):
            for _ in range(2):
                try:
                    client.submit_reading(own.job.meter.number, value, cycle=own.job.cycle)
                except ConfirmReading:
                    continue
                break
        return own.job.meter.number


def at_the_window(person, plan):
    """Carol sits at a window."""
    presenter = person.window.presenter
    person.log_in()
    plan.all_there.wait(DEADLINE)
    while True:
        person.wait_until(lambda: not person.state.doing, "the window is ready")
        if person.state.screen is not Screen.READING:
            return
        value = plan.next(person.state.job.meter.number)
        presenter.edit("reading", "" if value is None else str(value))
        presenter.edit("reason", NOBODY if value is None else "Read")
        presenter.submit()


def test_a_crew_with_four_kinds_of_clients_works_a_cycle(town, serve, open_window, truth):  # noqa: F811 - the fixture
    plan = Plan(truth)
    server = serve(town)
    person = open_window(opening_for(server))
    others = [start(lambda work=work: work(server.port, plan)) for work in (at_the_console, by_plain_rpyc, by_program)]
    at_the_window(person, plan)
    _, _, corrected = [result() for result in others]

    with SqliteStore(town) as store:
        found = readings_in(store)
        assert store.read(lambda tx: tx.rounds.routes_left(9)) == {}
    counting = {one.answer.meter: one for one in found if one.counts}
    assert len(counting) == 55
    for meter, one in counting.items():
        wanted = (None, NOBODY) if plan.kind(meter) == "missing" else (truth[meter], "")
        assert (one.answer.value, one.answer.reason) == wanted, meter
    superseded = [one for one in found if not one.counts]
    assert {one.answer.meter for one in superseded} <= {corrected}
    assert {one.username for one in found} == {"adam", "carol", "eric", "gwenda"}
    assert all(plan.typed[kind] for kind in ("right", "high", "negative", "missing", "wrong"))
    with office(town) as opened:
        (note,) = opened.list_notes()
        assert (note.username, note.text) == ("eric", "The key is at the bakery")
        assert opened.close_cycle(CYCLE) == 0
