"""`metermt meters`, beside what the calls say."""

from datetime import date, timedelta

import pytest
from commands import assert_done, assert_refused
from conftest import CYCLE, NOW, Clock, make_place
from readers import Reader, as_office

from metermt.calls import found, opening, places
from metermt.calls.desk import Desk
from metermt.calls.found import FoundMeter
from metermt.store.base import Store
from metermt.store.sqlite.store import SqliteStore

TODAY = NOW.date()


@pytest.fixture
def town(database_path, demo_accounts, hasher, monkeypatch):
    """A database with two meters that have a past, in an open cycle, and one that was found; its time stands still."""
    monkeypatch.setattr(Store, "clock", Clock())
    with SqliteStore(database_path) as store:
        store.write(lambda tx: tx.accounts.put(demo_accounts))
        desk = Desk(store, clock=Clock())
        there = [make_place(f"M{n}", route="North", sequence=n, address="7 Hill Road") for n in range(2)]
        as_office(desk, places.import_places, places.Places(there))
        past = [
            places.Shown(f"M{n}", date(2025, 11, 1) + timedelta(days=30 * month), 1_000 + 12 * month)
            for n in range(2)
            for month in range(12)
        ]
        as_office(desk, places.import_history, places.Past(past))
        as_office(desk, opening.open_cycle, opening.Opening(CYCLE))
        carol = Reader(desk)
        carol.submit("M0", 1_150)
        carol.ask(found.report_found, FoundMeter("F1", "W", 5, 120, "in the shed"))
    return database_path


def test_a_meter_is_exchanged_and_its_page_fits_a_terminal(invoke, town):
    slip = ("--final", "91152", "--initial", "10", "--date", str(TODAY))
    odd = invoke("meters", "exchange", "M0", "N0", *slip)
    assert_refused(
        odd, "91152 is high for M0 (a digit misread?), a use of 90020: say --yes if it is right all the same"
    )
    told = f"N1 hangs where M1 did since {TODAY}.\nIt is to be read in {CYCLE}.\n"
    assert_done(invoke("meters", "exchange", "M1", "N1", *slip, "--yes"), told)
    told = ("--final", "1152", "--initial", "10", "--date", str(TODAY))
    assert_done(
        invoke("meters", "exchange", "m0", "n0", *told),
        f"N0 hangs where M0 did since {TODAY}.\nM0 is done in {CYCLE}, and that stays.\n",
    )
    assert_refused(
        invoke("meters", "exchange", "M0", "N2", *told), f"Meter M0 was exchanged for N0 on {TODAY}: read that one"
    )
    listed = invoke("meters", "exchanges").stdout.splitlines()
    assert listed[2].split()[:5] == [str(TODAY), "M0", "1152", "N0", "10"]
    page = invoke("meters", "show", "n0").stdout
    assert max(map(len, page.splitlines())) <= 80
    assert page.startswith("N0, ")
    assert f"{TODAY}: M0 at 1152 exchanged for N0 at 10" in page
    assert "2026-09-27    30      0.40  █████████" in page
    assert "2026-11-20     1150        18  A        by carol\n" in page
    assert f"{TODAY}       10            " in page
    assert "taken down" in page
    assert "a new device" in page


@pytest.mark.parametrize(
    "wrong", [("--date", "20.11.2026"), ("--multiplier", "many"), ("--final", "1.5")], ids=lambda wrong: wrong[0]
)
def test_what_is_no_day_or_number_is_refused(invoke, town, wrong):
    told = {"--final": "1152", "--initial": "10", "--date": str(TODAY)} | dict([wrong])
    finished = invoke("meters", "exchange", "M0", "N0", *(word for pair in told.items() for word in pair))
    assert (finished.returncode, wrong[1] in finished.stderr) == (2, True)


def test_single_meters_are_added_moved_and_taken_out_of_use(invoke, town):
    kind = ("--kind", "w", "--dials", "5", "--address", "7 Quay Street", "--multiplier", "0.1")
    assert_done(
        invoke("meters", "add", "W1", "--route", "Harbour", "--sequence", "4", *kind),
        "W1 is read from the next cycle on.\n",
    )
    assert invoke("meters", "show", "W1").stdout == (
        "W1, water, 5 dials, times 0.1, in use\n  7 Quay Street, route Harbour, at 4\n\nNothing was read.\n"
    )
    assert_done(
        invoke("meters", "move", "M1", "--route", "Harbour", "--sequence", "5"),
        f"M1 is on route Harbour, at 5. Its job is moved in {CYCLE}.\n",
    )
    assert_done(invoke("meters", "deactivate", "M1"), f"M1 is out of use. Its job is removed from {CYCLE}.\n")
    assert_done(invoke("meters", "activate", "M1"), "M1 is in use, and read from the next cycle on.\n")


def test_found_meters_are_accepted_or_dismissed_by_their_numbers(invoke, town):
    assert invoke("meters", "found").stdout.splitlines()[1].split()[0] == "1"
    assert_done(
        invoke("meters", "accept", "1", "--route", "Harbour", "--sequence", "9"), "F1 is read from the next cycle on.\n"
    )
    assert invoke("meters", "found").stderr == "No meters were reported.\n"
    assert_refused(invoke("meters", "dismiss", "1", "--why", "no"), "Report 1, of F1, was accepted already")
