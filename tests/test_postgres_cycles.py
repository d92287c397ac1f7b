"""Cycles that are closed and opened again, and jobs that are removed, beside readers on PostgreSQL."""

from contextlib import suppress
from functools import partial

import psycopg
from chaos_stage import at_odds
from conftest import (
    CYCLE,
    OTHER_CYCLE,
    make_job,
    make_jobs,
    make_place,
    refusal_of,
    run_together,
    start,
)
from postgres_faults import JOBS, THE_JOB, desk_time, outcome_of, row_held, wait_until_waiting
from readers import Reader, as_office, readings_in

from metermt.calls import cycles, places, routes
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


# --- importing into a cycle


def test_a_job_that_is_read_while_it_is_imported_anew_stays_what_it_was(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        importing = start(lambda: import_(desks[1], make_job("M00000", dials=8), make_job("M00001", dials=8)))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert importing() == routes.ImportCount(changed=1, kept=1)
    jobs = desks[0].store.read(lambda tx: tx.jobs.find(CYCLE, ["M00000", "M00001"]))
    assert [jobs[number].meter.dials == 8 for number in sorted(jobs)] == [False, True]


def test_a_place_gets_no_fewer_digits_than_are_being_read_there(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])
    import_(desks[0], make_job("P1", dials=5))

    with row_held(postgres_url, THE_JOB, "P1"):
        submitting = start(lambda: carol.submit("P1", 54321, when=when))
        wait_until_waiting(postgres_url, 1)
        place = make_place("P1", dials=3)
        importing = start(lambda: as_office(desks[1], places.import_places, places.Places([place])))
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert str(outcome_of(importing)).startswith("Invalid dials 3: P1 showed 54321 on ")


def test_a_job_that_is_being_imported_is_not_missed_unless_that_is_forced(desks, postgres_url):
    import_(desks[0], make_job("P1", dials=5))
    desks[0].store.write(lambda tx: tx.cycles.open(OTHER_CYCLE))

    with row_held(postgres_url, "SELECT 1 FROM places WHERE meter = 'P1' FOR UPDATE"):
        importing = start(lambda: import_(desks[0], make_job("P1", OTHER_CYCLE, dials=6)))
        wait_until_waiting(postgres_url, 1)
        closing_it = start(lambda: as_office(desks[1], cycles.close_cycle, cycles.Closing(OTHER_CYCLE)))
        wait_until_waiting(postgres_url, 2)

    assert importing().added == 1
    assert str(outcome_of(closing_it)).startswith("1 meter is not read in 2026-12: read them first")


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


def import_(desk, *jobs):
    return as_office(desk, routes.import_jobs, routes.Import(jobs[0].cycle, jobs))


def reopen_cycle(desk):
    return as_office(desk, cycles.reopen_cycle, cycles.Cycle(CYCLE))


def remove(desk, meter):
    return as_office(desk, routes.remove_jobs, routes.Removal(CYCLE, [meter]))


def close_cycle(desk):
    return as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))


def states_in(url):
    with psycopg.connect(url, autocommit=True) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
