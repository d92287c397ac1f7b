"""What is known of a place in a span of time says what all that is known of it says, or is not enough."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import make_job
from hypothesis import event, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from metermt.decisions import Result
from metermt.model import Answer, JobState, Reading
from metermt.quality import Billing
from metermt.rules.consumption import Chain, Exchange, Link, before, came_after, of_later_cycles, use_since, waits_for
from metermt.rules.history import Read
from metermt.rules.spans import is_enough, span_of

BEGIN = datetime(2026, 3, 27, tzinfo=UTC)
HOURS = st.integers(0, 60).map(lambda n: 4 * n)  # between which the clocks of many countries change
DEVICES = st.sampled_from(["G1", "G2"])
READ = st.tuples(
    HOURS,
    DEVICES,
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([Billing.READY, Billing.BILLED, Billing.WAITING, Billing.AGAIN]),
    st.booleans(),  # whether it is an estimate
)


READY, BILLED = Billing.READY, Billing.BILLED
TWICE = 2  # exchanged, so that the first device hangs there again


@example([(8, "G1", 1, BILLED, False), (90, "G1", 2, BILLED, True)], 160, "G1", 5, None, 0)  # after an estimate
@example([(40, "G1", 1, BILLED, False), (100, "G1", 2, READY, False)], 160, "G1", 5, 4, 0)  # billing was told long ago
@example(
    [(22, "G1", 1, READY, False), (16, "G1", 2, READY, False)], 120, "G1", 3, None, 0
)  # a later cycle, earlier that day
@example(
    [(8, "G2", 1, READY, False), (48, "G1", 2, READY, False)], 120, "G1", 3, None, TWICE
)  # of a device that came later
@given(st.lists(READ, max_size=6), HOURS, DEVICES, st.integers(0, 10), st.none() | HOURS, st.integers(0, TWICE))
def test_a_part_of_what_is_known_of_a_place_says_the_same_or_is_not_enough(reads, hours, meter, day, told, exchanged):
    links = [
        Link(
            *(n, device, f"C{n}", billing),
            *((None, None) if billing is Billing.AGAIN else (value, BEGIN + hour * _HOUR)),
            estimated,
        )
        for n, (hour, device, value, billing, estimated) in enumerate(reads)
    ]
    when = BEGIN + hours * _HOUR
    job = replace(make_job(meter, "C3"), previous=0, previous_date=(BEGIN + timedelta(days=day)).date())
    result = Result(99, job, JobState.DONE, Billing.READY, 1, Reading(Answer(meter, 4, "", when), "carol", "C3", when))
    was = None if told is None else (meter, BEGIN + told * _HOUR)
    exchanges = [
        Exchange((BEGIN + timedelta(days=n)).date(), old, 9, 0, 5, Decimal(1), new, "", BEGIN)
        for n, old, new in ((2, "G1", "G2"), (4, "G2", "G1"))
    ]
    whole = Chain(links, [Read(BEGIN.date(), 0)], exchanges[:exchanged])
    for to_the_end in (True, False):
        span = span_of([result], to_the_end=to_the_end)
        part = Chain(
            [one for one in links if _is_in(span, one) or _is_in_each_part(one, job.cycle)],
            [],
            whole.exchanges,
            span,
        )
        assert waits_for(result, part) == waits_for(result, whole)
        assert of_later_cycles(result, part) == of_later_cycles(result, whole)
        if is_enough(result, part, was):
            event("enough")
            assert before(result, part) == before(result, whole)
            if to_the_end:
                assert came_after(result, part, was) == came_after(result, whole, was)


def test_of_what_was_read_every_month_two_months_are_enough():
    months = [BEGIN + timedelta(days=30 * n) for n in range(14)]
    links = [Link(n, "G1", f"C{n:02}", Billing.READY, n, when) for n, when in enumerate(months)]
    job = replace(make_job("G1", "C09"), previous=8, previous_date=months[8].date())
    reading = Reading(Answer("G1", 9, "", months[9]), "carol", "C09", months[9])
    result = Result(9, job, JobState.DONE, Billing.READY, 1, reading)
    span = span_of([result], to_the_end=False)
    part = [one for one in links if _is_in(span, one)]
    assert [one.value for one in part] == [8, 9]
    assert is_enough(result, Chain(part, [], [], span))


def test_a_previous_day_at_the_begin_of_the_calendar_makes_no_span_before_that():
    job = replace(make_job("G1"), previous=8, previous_date=date.min)
    result = Result(9, job, JobState.DONE, Billing.READY, 1, Reading(Answer("G1", 9, "", BEGIN), "carol", "C", BEGIN))
    assert span_of([result], to_the_end=False).until > BEGIN


@pytest.mark.parametrize(
    ("estimates", "value", "use"), [([], 120, 120), ([50], 120, 70), ([50], 9_100, 9_050), ([50, 70], 9_100, 9_030)]
)
def test_what_a_device_has_counted_is_told_from_when_it_was_put_up_also_by_an_imported_past(estimates, value, use):
    day = BEGIN.date()
    shown = [Read(day, 9_000), Read(day + _MONTH, 0, exchanged=True)]
    shown += [Read(day + n * _MONTH, there, estimated=True) for n, there in enumerate(estimates, 2)]
    job, when = make_job("G1", dials=4), BEGIN + 5 * _MONTH
    result = Result(9, job, JobState.DONE, READY, 1, Reading(Answer("G1", value, "", when), "carol", "C", when))
    assert use_since(before(result, Chain([], shown, [])), result) == (use, use)


def _is_in_each_part(link, cycle):
    return link.billing in (Billing.WAITING, Billing.AGAIN) or (link.billing is BILLED and link.cycle > cycle)


def _is_in(span, link):
    return link.read_at is not None and span.since <= link.read_at <= span.until


_HOUR, _MONTH = timedelta(hours=1), timedelta(days=30)
