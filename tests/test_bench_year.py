"""The year of a utility is played with real servers, and what would be wrong with it is seen."""

import json
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import warm
from conftest import make_account
from servers import ROOT

from bench.year.figures import QUICK, Size
from bench.year.month import Month
from bench.year.readers import Habits, Said, Word
from bench.year.score import billed, estimates, kept, mistakes, sums
from bench.year.town import Town, cycle_of, month_of
from metermt.billing import BatchHead, BillingLine, LineKind, totals_of
from metermt.model import Answer, Job, Meter, Reading
from metermt.quality import Quality
from metermt.store.sqlite.store import SqliteStore

SIZE = Size(meters=12, readers=3, months=2, past=2)
NOON = datetime(2027, 1, 9, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def played():
    """What a quick year told."""
    command = [sys.executable, warm.BENCH, "bench.year", "--quick", "--json"]
    done = warm.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["year"]


def test_nothing_is_lost_or_counted_twice_in_a_quick_year(played):
    assert played["readings"] > 0.9 * QUICK.meters * QUICK.months
    assert played["servers_killed"] == QUICK.months
    assert (played["lost"], played["doubled"], played["errors_logged"], played["refused"]) == (0, 0, 0, {})
    assert played["record"]["entries"] > played["readings"]
    assert played["record"]["fault"] is None
    billing = played["billing"]
    assert billing["lines"] - billing["corrections"] == QUICK.meters * QUICK.months
    wrong = ("exported_twice", "never_exported", "wrong_sums", "held_back")
    assert {name: billing[name] for name in wrong} == dict.fromkeys(wrong, 0)


def test_a_quick_year_tells_what_became_of_mistakes_and_estimates(played):
    for counts in (played["mistakes"], played["invented"]):
        assert counts["planted"] > 0
        assert counts["planted"] == sum(number for name, number in counts.items() if name != "planted")
    assert played["mistakes"]["at_the_meter"] > 0
    assert set(played["inventor"]) == {"stood_out_in", "others_named"}
    assert played["exchanges"] > 0
    assert 0 < played["true_readings_bothered"] < 0.2 * played["true_readings"]
    assert 0 < played["estimates"]["share"] < 0.4
    assert set(played["sums"]) == {"E", "G", "W"}
    assert all(abs(one["billed"] / one["used"] - 1) < 0.3 for one in played["sums"].values())


# --- what would be wrong


@pytest.fixture
def town():
    return Town(SIZE)


def line_of(town, number, when, previous, at, batch=1):
    """Return what billing should be told of a place, read at two times."""
    place = town.places[number]
    use = place.used(when) - place.used(previous)
    return BillingLine(
        batch=batch, number=at, kind=LineKind.READING, cycle=f"{when:%Y-%m}", route="", sequence=0, meter=place.meter,
        value=place.shows(when), read_at=when, registered_use=use, billed_use=use * place.multiplier,
    )  # fmt: skip


def month_with(lines, said=()):
    totals = totals_of(lines)
    head = BatchHead(number=1, made_at=NOON, lines=len(lines), sum_billed_use=totals.sum_billed_use)
    return Month(cycle_of(1), 1, list(said), [(head, list(lines))])


@pytest.fixture
def lines(town):
    without = [number for number in range(SIZE.meters) if not town.places[number].swaps]
    return [line_of(town, number, NOON, town.read_before(number, 0), at) for at, number in enumerate(without, 1)]


def test_a_line_that_is_told_twice_and_a_use_that_is_off_are_seen(town, lines):
    found = billed([month_with(lines)], town)
    assert (found.lines, found.twice, found.never, found.wrong_sums) == (len(lines), 0, 0, 0)
    assert all(one.billed == one.used and not one.off for one in sums(found, town).values())

    assert billed([month_with([*lines, lines[0]])], town).twice == 1
    off = replace(lines[0], registered_use=lines[0].registered_use + 1, billed_use=lines[0].billed_use + 1)
    assert billed([month_with([off, *lines[1:]])], town).wrong_sums == 1
    wrong = month_with(lines)
    wrong.batches[0] = (replace(wrong.batches[0][0], sum_billed_use=1), lines)
    assert billed([wrong], town).wrong_sums == 1


def job_of(place):
    meter = Meter(place.meter, place.kind.letter, place.kind.dials)
    return Job(meter, cycle_of(1), previous=place.shows(datetime(2027, 1, 1, tzinfo=UTC)))


def said_of(town, number, word=Word.TRUE, value=None):
    """Return a reading of a place that was accepted."""
    place = town.places[number]
    typed = replace(Habits(town).type(job_of(place), "reader01", 1, NOON, 1), word=word)
    value = place.shows(NOON) if value is None else value
    typed = replace(typed, truth=place.shows(NOON), value=value)
    return Said(place.meter, cycle_of(1), "reader01", NOON, typed, f"key-{number}", value)


def test_what_was_accepted_and_never_told_to_billing_is_seen(town, lines):
    said = [said_of(town, number) for number in range(SIZE.meters)]
    missing = billed([month_with(lines[1:], said)], town).never
    assert missing == SIZE.meters - len(lines) + 1


def test_a_reading_that_is_gone_or_there_twice_is_seen(town, tmp_path):
    said = [said_of(town, number) for number in range(3)]
    with SqliteStore(tmp_path / "year.db") as store:

        def fill(tx):
            tx.accounts.put([make_account("reader01")])
            tx.cycles.open(cycle_of(1))
            tx.jobs.add([job_of(town.places[number]) for number in range(3)])
            ids = {one.meter: one.job for one in tx.rounds.standings([one.meter for one in said])}
            tx.readings.add([(ids[one.meter], reading_of(one)) for one in said[:2]])

        store.write(fill)
    found = kept([month_with((), said)], tmp_path / "year.db")
    assert (found.accepted, found.lost, found.doubled) == (3, 1, 0)
    assert kept([month_with((), said[:1])], tmp_path / "year.db").doubled == 1
    other = replace(said[0], value=said[0].value + 1)
    assert kept([month_with((), [other, said[1]])], tmp_path / "year.db").lost == 1


def reading_of(said):
    answer = Answer(said.meter, said.value, "", said.when, said.key)
    return Reading(answer, said.username, said.cycle, said.when)


def test_mistakes_are_billed_unless_another_value_was_told(town, lines):
    number = town.of(lines[0].meter).number
    slip = said_of(town, number, Word.SLIP, lines[0].value + 7)
    told = [replace(lines[0], value=slip.value), *lines[1:]]
    became = [mistakes([month_with(told, [slip])], billed([month_with(told)], town), town, Word.SLIP)]
    became.append(mistakes([month_with(lines, [slip])], billed([month_with(lines)], town), town, Word.SLIP))
    slip.value = slip.typed.truth
    became.append(mistakes([month_with(lines, [slip])], billed([month_with(lines)], town), town, Word.SLIP))
    assert [(one.planted, one.at_the_meter, one.in_review, one.billed) for one in became] == [
        (1, 0, 0, 1),
        (1, 0, 1, 0),
        (1, 1, 0, 0),
    ]


def test_estimates_are_compared_with_what_the_register_showed(town, lines):
    usual = town.of(lines[0].meter).usual
    made = replace(lines[0], quality=Quality.ESTIMATED, value=lines[0].value + 5)
    found = estimates(billed([month_with([made, *lines[1:]])], town), town)
    assert found == {"share": pytest.approx(1 / len(lines)), "off": pytest.approx(5 / usual), "bias": found["off"]}


# --- the town


def test_the_same_seed_makes_the_same_town_and_the_same_mistakes(town):
    again = Town(SIZE)
    assert again.places == town.places
    assert Town(replace(SIZE, seed=2)).places != town.places
    one, other = (
        [Habits(there).type(job_of(place), "reader01", 1, NOON, 0) for place in there.places] for there in (town, again)
    )
    assert one == other


def test_registers_go_on_over_exchanges_and_never_back():
    town = Town(replace(SIZE, meters=60, often=20, months=12))
    place = next(place for place in town.places if len(place.swaps) > 1)
    first = place.swaps[0]
    assert place.shows(first.when) == first.initial
    for month in range(1, 13):
        days = [datetime(2027, month, day, tzinfo=UTC) for day in (1, 9, 20)]
        assert [place.used(day) for day in days] == sorted(place.used(day) for day in days)
    assert month_of(0).isoformat() == "2026-12-01"


def test_one_reader_in_four_makes_most_mistakes():
    town = Town(Size(meters=240, readers=12, months=1, past=2, often=10))
    habits, typed = Habits(town), Counter()
    assert len(habits.careless) == 3
    for number, place in enumerate(town.places):
        name = habits.names[number % 12]
        for visit in range(1, 20):
            typed[name] += habits.type(job_of(place), name, 1, NOON, visit).word is Word.SLIP
    careless = sum(typed[name] for name in habits.careless)
    assert 0.5 < careless / typed.total() < 0.8
