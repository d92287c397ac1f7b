"""Cycles that are closed and opened again, and jobs that are removed, beside readers on PostgreSQL."""

from contextlib import suppress
from functools import partial

import psycopg
from chaos_stage import at_odds
from conftest import (
    CYCLE,
    make_jobs,
    refusal_of,
    run_together,
    start,
)
from postgres_faults import JOBS, THE_JOB, desk_time, outcome_of, row_held, wait_until_waiting
from readers import Reader, as_office, readings_in

from metermt.calls import cycles, routes
from metermt.errors import AlreadyRead, RouteError, UnknownMeter


def test_a_cycle_that_is_closed_beside_a_reading_that_is_not_kept_yet_counts_it(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        closing_it = start(lambda: close_cycle(desks[1]))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert closing_it() == JOBS - 1
    assert states_in(postgres_url) == {"done": 1, "missed": JOBS - 1}
    assert at_odds(postgres_url) == {}


def test_a_reading_that_comes_while_its_cycle_is_being_closed_is_refused(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00001"):
        closing_it = start(lambda: close_cycle(desks[1]))
        wait_until_waiting(postgres_url, 1)
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 2)

    assert closing_it() == JOBS
    assert isinstance(outcome_of(submitting), UnknownMeter)
    assert states_in(postgres_url) == {"missed": JOBS}
    assert at_odds(postgres_url) == {}


# --- reopening a cycle, and removing jobs


def test_a_cycle_that_is_closed_and_reopened_beside_a_reading_keeps_it(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        closing_it = start(lambda: (close_cycle(desks[1]), reopen_cycle(desks[1])))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert closing_it() == (JOBS - 1, JOBS - 1)
    assert states_in(postgres_url) == {"done": 1, "open": JOBS - 1}
    assert carol.meter() == "M00001"
    assert at_odds(postgres_url) == {}


def test_a_job_that_is_being_read_is_not_removed(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        removing = start(lambda: remove(desks[1], "M00000"))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    refused = outcome_of(removing)
    assert isinstance(refused, RouteError)
    assert str(refused).startswith("Meter M00000 was read")
    assert states_in(postgres_url) == {"done": 1, "open": JOBS - 1}
    assert at_odds(postgres_url) == {}


def test_a_reading_that_comes_while_its_job_is_being_removed_is_refused(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])
    assert carol.meter() == "M00000"

    with row_held(postgres_url, THE_JOB, "M00000"):
        removing = start(lambda: remove(desks[1], "M00000"))
        wait_until_waiting(postgres_url, 1)
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 2)

    assert removing() is None
    assert isinstance(outcome_of(submitting), UnknownMeter)
    assert states_in(postgres_url) == {"open": JOBS - 1}
    assert carol.meter() == "M00001"
    assert at_odds(postgres_url) == {}


def test_a_cycle_that_is_being_read_is_not_removed(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        removing = start(lambda: as_office(desks[1], cycles.remove_cycle, cycles.Cycle(CYCLE)))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert str(outcome_of(removing)).startswith("Cycle 2026-11 stays, as 1 meter has readings in it (1 read)")
    assert states_in(postgres_url) == {"done": 1, "open": JOBS - 1}


def test_a_reading_that_comes_while_its_cycle_is_being_removed_is_refused(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])
    assert carol.meter() == "M00000"

    with row_held(postgres_url, THE_JOB, "M00001"):
        removing = start(lambda: as_office(desks[1], cycles.remove_cycle, cycles.Cycle(CYCLE)))
        wait_until_waiting(postgres_url, 1)
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 2)

    assert removing() == JOBS
    assert isinstance(outcome_of(submitting), UnknownMeter)
    assert states_in(postgres_url) == {}
    assert carol.meter() is None
    assert at_odds(postgres_url) == {}


def test_jobs_that_are_removed_beside_readers_are_handed_to_nobody(desks, postgres_url):
    crew = [Reader(desk, name) for desk in desks for name in ("adam", "carol")]
    removed = [f"M{number:05}" for number in range(0, JOBS, 2)]

    def read_all(reader):
        while meter := reader.meter():
            with suppress(UnknownMeter, AlreadyRead):
                reader.submit(meter, when=desk_time(desks[0]))

    def remove_all():
        return [meter for meter in removed if not isinstance(refusal_of(remove, desks[1], meter), RouteError)]

    *_, gone = run_together(*(partial(read_all, reader) for reader in crew), remove_all)

    assert {reading.answer.meter for reading in readings_in(desks[0].store)} == {
        job.meter.number for job in make_jobs(JOBS)
    } - set(gone)
    assert states_in(postgres_url) == {"done": JOBS - len(gone)}
    assert at_odds(postgres_url) == {}


def reopen_cycle(desk):
    return as_office(desk, cycles.reopen_cycle, cycles.Cycle(CYCLE))


def remove(desk, meter):
    return as_office(desk, routes.remove_jobs, routes.Removal(CYCLE, [meter]))


def close_cycle(desk):
    return as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))


def states_in(url):
    with psycopg.connect(url, autocommit=True) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
