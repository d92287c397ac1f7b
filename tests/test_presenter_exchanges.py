"""Readers tell in the window that another device hangs somewhere."""

from datetime import date

import pytest
from conftest import make_job, make_place
from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import submit
from servers import fill

from metermt.calls.desk import Desk
from metermt.gui.state import Dialog
from metermt.rules.habits import Habit
from metermt.rules.limits import JobLimits, Limits
from metermt.stops import Found
from metermt.store.sqlite.store import SqliteStore

EXCHANGE = {"new": " n9", "final": "99", "initial": "", "new_dials": "6", "on": ""}


@pytest.fixture
def desk(database_path, demo_accounts, clock_of_today):
    """A desk with a database, and two meters to read."""
    with SqliteStore(database_path) as store:
        jobs = [make_job("G5248", sequence=1, address="2 Harbour Road"), make_job("G5249", sequence=2)]
        store.write(lambda tx: tx.places.put([make_place("G5248", sequence=1), make_place("G5249", sequence=2)]))
        fill(store, demo_accounts, jobs)
        yield Desk(store, clock=clock_of_today)


def tell(presenter, **typed):
    presenter.describe_exchange()
    for name, text in (EXCHANGE | typed).items():
        presenter.edit(name, text)
    presenter.tell_of_exchange()


def exchanged(desk):
    told = desk.store.read(lambda tx: tx.devices.all_exchanges(9, 0))
    return [(one.old_meter, one.final, one.new_meter, one.initial, one.username) for one in told]


def test_the_meter_that_hangs_there_now_is_told_and_read(reading, desk):
    reading.edit("reading", "59")
    reading.describe_exchange()
    assert reading.state.faults == {"reading": "Submit this first, or empty the field"}
    reading.edit("reading", "")
    tell(reading)
    state = reading.state
    assert (state.dialog, state.notice, state.job.meter.number) == (None, "N9 hangs here now: read it", "N9")
    assert (state.job.meter.dials, state.typed.new, state.typed.final) == (6, "", "")
    assert exchanged(desk) == [("G5248", 99, "N9", 0, "carol")]


def test_a_last_value_that_is_odd_is_asked_about_and_counts_when_it_is_sent_once_more(reading, desk):
    limits = JobLimits(Limits(60, date(2026, 10, 20), Habit(0.0, 0.2))).as_text()
    desk.store.write(lambda tx: tx.jobs.set_limits({one.job: limits for one in tx.rounds.standings(["G5248"])}))
    tell(reading, final="9999")
    assert "9999 is high for G5248" in reading.state.faults["final"]
    assert exchanged(desk) == []
    reading.edit("final", "9998")
    reading.tell_of_exchange()
    assert exchanged(desk) == [], "another value is asked about anew"
    reading.tell_of_exchange()
    assert exchanged(desk) == [("G5248", 9998, "N9", 0, "carol")]


def test_an_exchange_whose_last_value_nobody_knows_is_a_note_for_the_office(reading, desk):
    tell(reading, final="")
    assert reading.state.notice.startswith("Noted for the office, as the last value is not known.")
    assert "what G5248 showed last is not known" in reading.state.job.note
    assert exchanged(desk) == []
    tell(reading, new="")
    submit(reading, "1")
    reading.come_back()
    typed = reading.state.typed
    assert (typed.final, typed.new_dials) == ("", ""), "it is not taken along to the next meter"


def test_who_tells_of_an_exchange_at_a_meter_read_out_of_turn_stays_there_and_then_goes_back(reading, desk):
    reading.look()
    reading.take(reading.state.found.stops[1])
    for typed, number in (({"final": ""}, "G5249"), ({}, "N9")):
        tell(reading, **typed)
        state = reading.state
        assert (state.job.meter.number, state.typed.final, state.notice) == (number, "", "")
    assert state.aside == "N9 hangs here now: read it"
    submit(reading, "12")
    assert (reading.state.job.meter.number, reading.state.aside) == ("G5248", "")
    assert exchanged(desk) == [("G5249", 99, "N9", 0, "carol")]


def test_an_exchange_out_of_turn_whose_new_meter_is_not_found_goes_on_with_the_next_job(reading, monkeypatch):
    reading.look()
    reading.take(reading.state.found.stops[1])
    monkeypatch.setattr(reading._connected, "find_meters", lambda _text: Found([], more=True))
    tell(reading)
    state = reading.state
    assert (state.job.meter.number, state.aside, state.notice) == ("G5248", "", "N9 hangs here now: read it")


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"new": ""}, "new", "Invalid number ''"),
        ({"new": "G5249"}, "new", "Meter G5249 hangs "),
        ({"final": "9x"}, "final", "'9x' is not a whole number; leave it empty if nobody knows it"),
        ({"final": "123456"}, "final", "Invalid final reading 123456"),
        ({"initial": "1234567"}, "initial", "Invalid initial reading 1234567"),
        ({"new_dials": "0"}, "new_dials", "Invalid dials 0"),
        ({"on": "tomorrow"}, "on", "Invalid day 'tomorrow': type it like 20"),
        ({"on": "2099-01-01"}, "on", "Invalid date 2099-01-01: it lies in the future"),
    ],
)
def test_what_makes_no_sense_is_told_below_its_field_and_nothing_typed_is_lost(reading, desk, typed, field, words):
    tell(reading, **typed)
    assert list(reading.state.faults) == [reading.state.focus] == [field]
    assert words in reading.state.faults[field]
    assert (reading.state.dialog, reading.state.typed.final) == (Dialog.EXCHANGED, (EXCHANGE | typed)["final"])
    assert exchanged(desk) == []
