"""The made-up town: who lives there, what they have used, and what is said of a reading there."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from conftest import Clock
from demometers import shows
from readers import Reader
from steps import free_jobs

from metermt.calls.desk import Desk
from metermt.demo import add_town
from metermt.demotown import stops
from metermt.errors import ConfirmReading, InvalidReading
from metermt.model import Answer
from metermt.store.memory.store import MemoryStore

NUMBER = re.compile(r"G[4-9]\d{4}|E[4-9]\d{4}|E[1-9]\d{5}")
HINT = re.compile(r".+\. Last time about ([\d,]+), some ([\d,]+) used since\.|.+ last time it showed (\d{6})\.")
MONTH = date(2026, 11, 1)
TODAY = date(2026, 11, 22)
IN_EACH_SEASON = pytest.mark.parametrize(
    "today", [date(2027, 1, 31), date(2027, 4, 1), date(2027, 7, 15), date(2027, 10, 28)], ids=str
)

pytestmark = pytest.mark.usefixtures("hasher")


@pytest.fixture
def today():
    return TODAY


@pytest.fixture
def reader(today):
    """Carol in a demo that is started today."""
    with MemoryStore() as store:
        desk = Desk(store, clock=Clock(datetime(today.year, today.month, today.day, 12, tzinfo=UTC)))
        add_town(desk)
        yield Reader(desk)


def outcomes_of(reader, values):
    """Send values of meters; return whether each was taken or why not."""
    answers = [Answer(meter, value) for meter, value in values.items()]
    return dict(zip(values, map(type, reader.submit_many(answers)), strict=True))


def test_it_has_150_gas_and_electricity_meters_on_three_routes():
    assert len({stop.number for stop in stops()}) == 150
    assert Counter(stop.route for stop in stops()) == {"Harbour": 50, "Mill Hill": 50, "Old Town": 50}
    assert all(NUMBER.fullmatch(stop.number) for stop in stops())
    assert {(stop.number[0], stop.dials) for stop in stops()} == {("G", 5), ("E", 6)}


def test_nobody_walks_zigzag_and_no_two_meters_of_a_kind_have_one_address():
    for route in {stop.route for stop in stops()}:
        walk = [stop for stop in stops() if stop.route == route]
        assert [stop.sequence for stop in walk] == list(range(1, 51))
        streets = [re.sub(r"^\d+ |,.*", "", stop.address) for stop in walk]
        assert len([street for street, after in pairwise(streets) if street != after]) == 2
    assert len({(stop.number[0], stop.address) for stop in stops()}) == 150


@pytest.mark.parametrize("month", [MONTH, date(2027, 3, 1), date(2028, 1, 1)])
def test_each_meter_was_read_every_month_for_thirteen_months(month):
    for stop in stops():
        days = [read.on for read in stop.past(month)]
        assert [(day.year * 12 + day.month) for day in days] == [
            month.year * 12 + month.month - n for n in range(1, 15)
        ]


def test_registers_only_rise():
    for stop in stops():
        past = [read.value for read in reversed(stop.past(MONTH))]
        assert past == sorted(past)
        assert past[-1] == stop.last < 10**stop.dials


def test_households_differ_and_gas_is_for_the_winter():
    used = {stop.number: stop.last - stop.past(MONTH)[-2].value for stop in stops()}
    assert [stop.address for stop in stops() if not used[stop.number]] == ["3 Harbour Street, flat 2"]
    assert sum(0 < use < 400 for use in used.values()) > 10  # flats that use little
    assert sum(use > 10_000 for use in used.values()) > 3  # shops
    gas = [stop for stop in stops() if stop.number[0] == "G" and stop.winter > 0.5]
    assert len(gas) > 20
    for stop in gas:
        assert stop.usual(date(2027, 1, 1), date(2027, 2, 1)) > 4 * stop.usual(date(2027, 7, 1), date(2027, 8, 1))


def test_what_is_said_of_a_stop_fits_into_a_line_of_a_terminal():
    assert all(len(stop.place(stop.past(MONTH)[0], TODAY).meter.instructions) <= 80 for stop in stops())


@IN_EACH_SEASON
def test_a_right_reading_is_taken_at_once(reader, today):
    right = {stop.number: shows(stop.number, today) for stop in stops()}
    assert set(outcomes_of(reader, right).values()) == {type(None)}
    assert reader.status().count == 150


def test_so_is_one_that_the_instructions_hint_at(reader):
    jobs = reader.desk.store.read(free_jobs)
    hinted = {}
    for job in (known.job for known in jobs):
        about, used, still = HINT.fullmatch(job.meter.instructions).groups()
        value = int(still) if still else int(about.replace(",", "")) + int(used.replace(",", ""))
        hinted[job.meter.number] = value % 10**job.meter.dials
        assert value != job.previous or still
    assert set(outcomes_of(reader, hinted).values()) == {type(None)}


def test_mistakes_are_asked_about(reader):
    right = {stop.number: shows(stop.number, TODAY) for stop in stops() if stop.a_month}
    assert are_caught(reader, {meter: value * 10 for meter, value in right.items()}) == 1
    used = {stop.number: right[stop.number] - stop.last for stop in stops() if right.get(stop.number, -1) > stop.last}
    assert are_caught(reader, {meter: right[meter] + 9 * use for meter, use in used.items()}) == 1
    swapped = {meter: slip for meter, value in right.items() if (slip := with_digits_swapped(value))}
    assert are_caught(reader, swapped) > 0.8


def are_caught(reader, values):
    """Send values of meters; return the share that is refused or asked about."""
    outcomes = Counter(outcomes_of(reader, values).values())
    return (outcomes[ConfirmReading] + outcomes[InvalidReading]) / len(values)


def with_digits_swapped(value):
    """Return the value with the last two digits swapped that differ, of neighbours from the hundreds on, if any do."""
    digits = str(value)
    for place in reversed(range(len(digits) - 2)):
        if digits[place] != digits[place + 1]:
            return int(digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :])
    return None


def test_the_first_meter_may_show_5983_on_any_day():
    first = stops()[0]
    for month in (date(2027, number, 1) for number in range(1, 13)):
        last = first.past(month)[0]
        assert first.number == "G72168"
        assert all(40 < first.usual(last.on, month + timedelta(days=days)) < 160 for days in (0, 27))
        assert last.value == 5902
