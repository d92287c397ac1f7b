"""Two months of a small utility, with real programs: what billing was given is what the registers have counted."""

import csv
import sys
from datetime import date, timedelta
from decimal import Decimal

import pexpect
import pytest
import rpyc
import warm
from conftest import start
from servers import ROOT, make_database
from window_fixtures import display, open_window, opening_for, screens  # noqa: F401 - fixtures of a window

from metermt.client.client import connect
from metermt.errors import ConfirmReading
from metermt.gui.state import Screen

TODAY = date.today()
FIRST, SECOND = "first", "second"  # cycles, which begin on the day on which they are opened
A_DAY, A_MONTH = 300, 9_000  # units that each meter uses
METERS = {f"W{number}": number for number in range(1, 13)}
ROUTES = {"North": ("adam", range(1, 5)), "South": ("carol", range(5, 9)), "West": ("gwenda", range(9, 13))}
BEFORE = {meter: 200_000 + 1_000 * number for meter, number in METERS.items()}
"""What each showed a month ago."""
TRUE = {meter: value + A_MONTH for meter, value in BEFORE.items()} | {"W7": BEFORE["W7"] + 4 * A_MONTH}  # W7 leaks
MULTIPLIER = {"W12": 40}
FINAL, INITIAL = TRUE["W4"] - A_DAY, 17  # W4 is exchanged for N4 a day before it would have been read
USED_BEFORE = {"N4": FINAL - INITIAL}
TRUE = {meter: value for meter, value in TRUE.items() if meter != "W4"} | {"N4": INITIAL + A_DAY}
BEFORE["N4"] = BEFORE.pop("W4")
"""From here on the places are called by the meters that hang there at the end."""


@pytest.fixture
def town(database_path, demo_accounts, metermt, tmp_path):
    """A database with twelve meters on three routes, which are given to three readers, and a year behind them."""
    make_database(database_path, demo_accounts)
    with (tmp_path / "routes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["meter", "route", "sequence", "dials", "multiplier"])
        for route, (_, numbers) in ROUTES.items():
            rows.writerows([f"W{number}", route, number, 6, MULTIPLIER.get(f"W{number}", 1)] for number in numbers)
    with (tmp_path / "past.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["meter", "date", "value"])
        for meter, number in METERS.items():
            value = BEFORE["N4" if meter == "W4" else meter]
            for back in range(12):
                rows.writerow([meter, TODAY - timedelta(days=30 * (back + 1)), value])
                value -= A_MONTH + (-1) ** back * 20 * number  # never quite the same
    done(metermt("routes", "import", "routes.csv"))
    done(metermt("history", "import", "past.csv"))
    for route, (username, _) in ROUTES.items():
        done(metermt("routes", "assign", route, username))
    done(metermt("cycles", "open", FIRST))
    showed = ("--final", str(FINAL), "--initial", str(INITIAL), "--date", str(TODAY))
    done(metermt("meters", "exchange", "W4", "N4", *showed))
    return database_path


def hanging_at(number):
    """Return the number of the meter that hangs at a place after the exchange."""
    return "N4" if number == 4 else f"W{number}"


def done(finished):
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def at_the_console(port, typed):
    """Adam types at a console what is said of each meter, until nothing is left."""
    command = ["-W", "error", str(ROOT / "client_console.py"), "-p", str(port)]
    child = warm.spawn(sys.executable, command, encoding="utf-8", timeout=60)
    child.delaybeforesend = None
    try:
        for prompt in ("Username", "Password: "):
            child.expect_exact(prompt)
            child.sendline("adam")
        questions = [r"(?:Reading|Reason) for meter (\w+): ", r"All jobs are done|are left|is left"]
        while child.expect(questions) == 0:
            value = typed[child.match[1]].pop(0)
            child.sendline("" if value is None else str(value))
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)


def at_the_window(person, typed):
    """Carol sits at a window."""
    presenter = person.window.presenter
    person.log_in()
    while True:
        person.wait_until(lambda: not person.state.doing, "the window is ready")
        if person.state.screen is not Screen.READING:
            return
        value = typed[person.state.job.meter.number].pop(0)
        presenter.edit("reading", str(value) if isinstance(value, int) else "")
        presenter.edit("reason", value if isinstance(value, str) else "Read")
        presenter.submit()


def by_plain_rpyc(port, typed):
    """Gwenda's program knows the four calls only."""
    connection = rpyc.connect("localhost", port)
    try:
        root = connection.root
        session, _ = root.login("gwenda", "gwenda")
        while (meter := root.get_job(session)) and typed[meter]:
            try:
                root.submit_reading(session, meter, None, typed[meter].pop(0))
            except Exception as error:  # of a class that RPyC makes up
                if not type(error).__name__.endswith("ConfirmReading"):
                    raise
    finally:
        connection.close()


def by_program(port, username, values, cycle=FIRST):
    """Send what meters show, each twice if it is asked about."""
    with connect("localhost", port) as client:
        client.login(username, username)
        for meter, value in values.items():
            for _ in range(2):
                try:
                    client.submit_reading(meter, value, cycle=cycle)
                except ConfirmReading:
                    continue
                break


def lines_in(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_two_months_are_read_decided_and_billed(town, servers, open_window, metermt, tmp_path):  # noqa: F811
    server = servers.start("--database", town)
    person = open_window(opening_for(server))

    # The first month: what is typed for each meter, one answer after the other
    typed = {meter: [value] for meter, value in TRUE.items()}
    typed |= {"W1": [TRUE["W1"] + 70_000] * 2, "W2": [BEFORE["W2"] - 5_000, TRUE["W2"]], "W3": [None, "Dog"]}
    typed |= {"W5": ["No access"], "W7": [TRUE["W7"]] * 2, "W10": []}
    others = [start(lambda: at_the_console(server.port, typed)), start(lambda: by_plain_rpyc(server.port, typed))]
    at_the_window(person, typed)
    for other in others:
        other()
    assert {meter for meter, left in typed.items() if left} <= {"W11", "W12"}, "what comes after W10 on its route"
    by_program(server.port, "gwenda", {meter: TRUE[meter] for meter in ("W11", "W12") if typed[meter]})

    # The office decides
    listed = done(metermt("review", "list"))
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["W1", "W7", "W3", "W5"]
    done(metermt("review", "edit", "W1", str(TRUE["W1"]), "--why", "as on the photograph"))
    done(metermt("review", "approve", "--flag", "high", "--yes"))
    done(metermt("review", "reread", "W3", "--note", "The dog is chained now"))
    by_program(server.port, "adam", {"W3": TRUE["W3"]})
    done(metermt("review", "estimate", "W5"))
    refused = metermt("cycles", "close", FIRST)
    assert "1 meter is not read in first" in refused.stderr
    done(metermt("review", "estimate-unread", FIRST, "W10"))
    estimated = {meter: value_of(metermt, meter) for meter in ("W5", "W10")}
    assert all(abs(estimated[meter] - TRUE[meter]) < A_MONTH / 10 for meter in estimated)

    # Billing
    done(metermt("export", "--to", "first.csv"))
    first = {line["meter"]: line for line in lines_in(tmp_path / "first.csv")}
    shown = TRUE | estimated
    assert {meter: int(line["value"]) for meter, line in first.items()} == shown
    assert {meter: int(line["registered_use"]) for meter, line in first.items()} == {
        meter: shown[meter] - BEFORE[meter] + USED_BEFORE.get(meter, 0) for meter in TRUE
    }
    assert {meter: line["quality"] for meter, line in first.items() if line["quality"] != "A"} == {
        **{"W1": "F", "W5": "E", "W7": "V", "W10": "E"}
    }
    assert Decimal(first["W12"]["billed_use"]) == 40 * A_MONTH
    done(metermt("readings", "correct", "W11", str(TRUE["W11"] + 50), "--why", "the customer's photograph"))
    done(metermt("export", "--to", "correction.csv"))
    (correction,) = lines_in(tmp_path / "correction.csv")
    assert (correction["meter"], correction["kind"], correction["corrected_use"]) == ("W11", "correction", str(A_MONTH))
    done(metermt("cycles", "close", FIRST))

    # The next month, read on the same day by one program; the estimates were not quite right
    done(metermt("cycles", "open", SECOND))
    now = {meter: value + A_DAY for meter, value in (TRUE | {"W11": TRUE["W11"] + 50}).items()}
    for username, numbers in ROUTES.values():
        by_program(server.port, username, {meter: now[meter] for meter in map(hanging_at, numbers)}, SECOND)
    if "0 results" not in metermt("review", "list").stderr:
        done(metermt("review", "approve", "--cycle", SECOND, "--yes"))
    done(metermt("export", "--to", "second.csv", "--cycle", SECOND))
    second = {line["meter"]: line for line in lines_in(tmp_path / "second.csv")}
    assert {meter: int(line["previous"]) for meter, line in second.items()} == {**shown, "W11": TRUE["W11"] + 50}
    billed = {meter: Decimal(first[meter]["billed_use"]) + Decimal(second[meter]["billed_use"]) for meter in TRUE}
    billed["W11"] += Decimal(correction["billed_use"]) - Decimal(correction["corrected_use"])
    assert billed == {
        meter: (now[meter] - BEFORE[meter] + USED_BEFORE.get(meter, 0)) * MULTIPLIER.get(meter, 1) for meter in TRUE
    }
    done(metermt("cycles", "close", SECOND))
    assert "entries" in done(metermt("audit", "verify"))

    done(metermt("batches", "show", "1", "--to", "again.csv"))
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()
    assert "There is nothing new for billing" in metermt("export", "--to", "third.csv").stderr
    assert not (tmp_path / "third.csv").exists()


def value_of(metermt, meter):
    """Return the value that counts of a meter in the only cycle."""
    rows = csv.DictReader(done(metermt("readings", "export", "-")).splitlines())
    (value,) = [int(row["reading"]) for row in rows if row["meter"] == meter]
    return value
