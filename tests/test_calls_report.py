"""A report says what became of a cycle, and what is worth a look."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import CYCLE, Clock, make_account, make_place
from msgspec import structs
from readers import as_office

from metermt.calls import batches, cycles, exchanges, opening, places, report, review
from metermt.calls.cycles import Closing, Cycle
from metermt.calls.desk import Desk
from metermt.calls.exchanges import MeterExchange
from metermt.decisions import Verdict
from metermt.errors import RouteError
from metermt.model import Answer, Reading, Role
from metermt.quality import Flag, Quality
from metermt.report import Estimated, HintKind, RouteUse, SameReader, Shares

BEFORE, LAST_YEAR = "2026-10", "2025-11"
MONTHS = (LAST_YEAR, BEFORE, CYCLE)


def noon(cycle, minutes=0):
    year, month = map(int, cycle.split("-"))
    return datetime(year, month, 10, 12, tzinfo=UTC) + timedelta(minutes=minutes)


def read(cycle, meter, value, username="carol", minutes=0, reason="", code=None, **how):
    """Return a reading of a meter in a cycle."""
    answer = Answer(meter, value, reason, noon(cycle, minutes), code=code)
    return Reading(answer, username, cycle, noon(cycle, minutes), **how)


def keep(desk, readings):
    def work(tx):
        for one in readings:
            ids = {job.job.cycle: job.id for job in tx.office.of_meters([one.answer.meter])}
            tx.readings.add([(ids[one.cycle], one)])

    desk.store.write(work)


@pytest.fixture(params=["sqlite_store", "shared_postgres_store"])
def town(request, hasher):
    """A desk with five meters on two routes, read in three cycles, of which two are closed."""
    store = request.getfixturevalue(request.param)
    store.write(lambda tx: tx.accounts.put([make_account("carol"), make_account("adam")]))
    clock = Clock()
    desk = Desk(store, clock=clock)
    there = [make_place(f"M{n}", route="North" if n < 3 else "South", sequence=n) for n in range(5)]
    as_office(desk, places.import_places, places.Places(there))
    as_office(desk, places.import_history, places.Past([places.Shown("M0", date(2025, 10, 10), 90)]))
    for cycle, more in zip(MONTHS, (100, 200, 300), strict=True):
        as_office(desk, opening.open_cycle, opening.Opening(cycle))
        if cycle != CYCLE:
            estimated = {"quality": Quality.ESTIMATED, "username": ""}
            keep(desk, [read(cycle, f"M{n}", more + n, minutes=n, **(estimated if n == 3 else {})) for n in range(4)])
            as_office(desk, cycles.close_cycle, Closing(cycle, force=True))
    keep(
        desk,
        [
            read(CYCLE, "M0", 312),
            structs.replace(read(CYCLE, "M0", 313, minutes=1), quality=Quality.VERIFIED, flags=(Flag.HIGH,)),
            read(CYCLE, "M1", 900, "adam", 2),
            read(CYCLE, "M1", 305, "", 3, quality=Quality.EDITED),
            read(CYCLE, "M2", None, minutes=4, reason="Dog", code="dog"),
            read(CYCLE, "M3", 303, "", 5, quality=Quality.ESTIMATED),
        ],
    )
    return desk


def report_on(desk, cycle=CYCLE):
    return as_office(desk, report.make_report, Cycle(cycle), Role.SUPERVISOR)


def test_a_report_says_what_counts_of_each_job(town):
    made = report_on(town)
    assert made.shares == Shares(actual=0, verified=1, estimated=1, edited=1, no_value=1, left=1)
    assert (made.is_open, made.last_year, made.before) == (True, LAST_YEAR, [LAST_YEAR, BEFORE])
    as_office(town, cycles.close_cycle, Closing(CYCLE, force=True))
    assert report_on(town).shares.missed == 1


def test_a_report_says_what_each_reader_has_sent(town):
    adam, carol = report_on(town).readers
    assert (carol.username, carol.readings, carol.reasons, carol.flags) == ("carol", 1, {"dog": 1}, {"high": 1})
    assert (carol.overrides, carol.corrections, carol.replaced) == (1, 1, 0)
    assert (carol.most_a_day, carol.busiest_day, carol.is_beyond_people) == (2, date(2026, 11, 10), False)
    assert carol.an_hour == pytest.approx(20)  # at two meters, three minutes apart
    assert (adam.readings, adam.corrections, adam.replaced) == (1, 0, 1)


def test_what_somebody_puts_in_the_office_who_also_reads_is_nothing_that_they_have_sent(town):
    dog = read(CYCLE, "M4", None, "adam", 6, reason="Dog", code="dog")
    keep(town, [dog, read(CYCLE, "M4", 304, "adam", 7, quality=Quality.EDITED)])
    adam, _ = report_on(town).readers
    assert (adam.readings, adam.reasons) == (1, {"dog": 1})


def test_a_report_compares_what_was_used_with_the_year_before(town):
    north, south = report_on(town).routes
    assert north == RouteUse("North", "G", 113 + 104, 2, 0, 10.0, 1)
    assert south == RouteUse("South", "G", 100, 1, 0, None, 0)  # nothing had been shown before


def test_uses_are_those_that_are_billed_over_corrections_estimates_and_exchanges(town):
    as_office(town, review.correct_reading, review.Correction("M0", 190, "photograph", BEFORE))
    as_office(town, exchanges.exchange_meter, MeterExchange("M2", "N2", 250, 7, date(2026, 11, 2), None, Decimal(10)))
    decide(town, Verdict.REREAD, {"M2"})
    keep(town, [read(CYCLE, "N2", 12)])
    decide(town, Verdict.APPROVE, {"M0", "N2"})
    batch = as_office(town, batches.make_batch, batches.Batching("csv", "")).number
    lines = [one for one in as_office(town, batches.batch_lines, batches.Lines(batch)) if one.cycle == CYCLE]
    north, south = report_on(town).routes
    assert (north.use, north.meters) == ((313 - 190) + (305 - 201) + (250 - 202) + (12 - 7) * 10, 3)
    for route in (north, south):
        assert route.use == sum(one.billed_use for one in lines if one.route == route.route)


def decide(desk, verdict, meters):
    waiting = as_office(desk, review.list_waiting, review.Reviewed()).waiting
    said = [review.Said(one.reading, verdict) for one in waiting if one.job.meter.number in meters]
    as_office(desk, review.decide, review.Decisions(said))


def test_a_report_names_meters_estimated_twice_running_and_who_read_a_route_twice(town):
    made = report_on(town)
    assert made.estimated_twice == [Estimated("M3", "South", 3, make_place("M3").meter.address)]
    assert made.estimated_twice_in_all == 1
    assert made.same_reader == [SameReader("North", "carol")]
    assert report_on(town, BEFORE).same_reader == [SameReader("North", "carol")]
    assert report_on(town, LAST_YEAR).estimated_twice == []


def test_a_reader_who_invents_stands_out_of_a_report(database_path):
    from metermt.store.sqlite.store import SqliteStore  # noqa: PLC0415

    with SqliteStore(database_path) as store:
        made = report_on(invented(store))
    assert [(hint.username, hint.kind) for hint in made.hints] == [("reader0", HintKind.MADE_UP_FOR)]
    assert made.hints[0].share > 0.5 > 0.2 > made.hints[0].usual


def invented(store, readers=3, meters=70):
    """Return a desk with a past of a year, a cycle in which one reader reads half the use, and one that is true."""
    names = [f"reader{n}" for n in range(readers)]
    store.write(lambda tx: tx.accounts.put([make_account(name) for name in names]))
    desk = Desk(store, clock=Clock())
    numbers = [(f"M{n}{m:03}", name) for n, name in enumerate(names) for m in range(meters)]
    as_office(desk, places.import_places, places.Places([make_place(number) for number, _ in numbers]))

    def use(number, month):
        return 30 + (int(number[1:]) * 7 + month * 11) % 9

    past, total = [], dict.fromkeys([number for number, _ in numbers], 1_000)
    for month in range(12):
        for number in total:
            total[number] += use(number, month)
            past.append(places.Shown(number, date(2025, 10, 10) + timedelta(days=30 * month), total[number]))
    as_office(desk, places.import_history, places.Past(past))
    for cycle in (BEFORE, CYCLE):
        as_office(desk, opening.open_cycle, opening.Opening(cycle))
        sent = []
        for minute, (number, name) in enumerate(numbers):
            total[number] += use(number, 12)
            value = total[number] - 20 if name == "reader0" and cycle == BEFORE else total[number]
            sent.append(read(cycle, number, value, name, minute))
        keep(desk, sent)
    return desk


def test_there_is_no_report_of_a_cycle_that_there_is_not(town):
    with pytest.raises(RouteError, match="There is no cycle '2026-12': there are 2025-11, 2026-10, 2026-11"):
        report_on(town, "2026-12")
