"""Faults under readers at work, a few of each: `scripts/chaos` makes more of them, and more kinds."""

import time

import pytest
from chaos_crew import Crew, StuckError
from chaos_faults import FAULTS, run_on
from chaos_history import Handed, History, Kept, Refused, Row, Sent, verdict_on
from chaos_stage import lasting_port, steady_cluster
from chaos_stages import with_link, with_servers
from postgres import need_postgres

READINGS = 5


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose processes may be ended. It flushes as it should."""
    need_postgres()
    with steady_cluster() as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("faults", "stage"),
    [
        ({"server-kill": 1}, with_servers(2)),
        ({"link-reset": 1, "backend-kill": 2, "read-only": 1, "database-kill": 1}, with_link),
    ],
    ids=["two servers", "one server"],
)
def test_no_acknowledged_reading_is_lost_or_doubled_or_under_a_wrong_name(faults, stage, cluster, tmp_path):
    with stage(tmp_path, cluster) as here:
        report = run_on(here, {FAULTS[name]: rounds for name, rounds in faults.items()})

    assert report.is_good, report.line()
    assert report.acknowledged > 0


def test_readers_whose_process_has_died_are_told_of_at_once(tmp_path):
    readers = ("adam", "carol", "eric")
    with Crew(tmp_path, readers, [lasting_port()], timeout=1.0) as crew:
        crew._processes[0].kill()

        with pytest.raises(StuckError, match=r"^the process of adam, eric has ended with status -9$"):
            crew.wait_until_at_work(time.monotonic())


# --- the checker, with histories that are made up


@pytest.fixture
def history():
    """Two readers in turn, each reading a meter of their own, and each told that it is accepted."""
    history = History()
    for number in range(READINGS):
        reader = ("adam", "carol")[number % 2]
        history.note(Handed(number, reader, 0, f"M{number}"))
        history.note(Sent(number, reader, 0, f"key-{number}", f"M{number}", 100 + number))
        history.note(Kept(number + 0.5, reader, 0, f"key-{number}"))
    return history


@pytest.fixture
def rows(history):
    """What is stored after that, when nothing went wrong."""
    return [Row(sent.key, sent.reader, sent.meter, sent.value) for sent in history.sent.values()]


each_reading = pytest.mark.parametrize("place", range(READINGS))


def test_nothing_is_wrong_with_what_is_whole(history, rows):
    assert verdict_on(history, rows).faults == {}


def test_nothing_is_wrong_with_a_reading_that_nobody_was_told_of(history, rows):
    history.note(Sent(9, "adam", 0, "key-9", "M9", 109))

    assert verdict_on(history, rows).faults == {}
    assert verdict_on(history, [*rows, Row("key-9", "adam", "M9", 109)]).faults == {}


@each_reading
def test_a_reading_that_is_not_there_is_lost(place, history, rows):
    del rows[place]

    assert verdict_on(history, rows).faults == {"lost": [f"key-{place}"]}


@each_reading
@pytest.mark.parametrize("change", [{"value": 7}, {"meter": "M77"}])
def test_a_reading_that_is_there_as_another_one_is_lost_and_was_never_sent(change, place, history, rows):
    rows[place] = rows[place]._replace(**change)

    assert verdict_on(history, rows).faults == {"lost": [f"key-{place}"], "never_sent": [f"key-{place}"]}


@each_reading
def test_a_reading_that_is_there_again_is_doubled(place, history, rows):
    assert verdict_on(history, [*rows, rows[place]]).faults == {"doubled": [f"key-{place}"]}


@each_reading
def test_a_second_reading_of_a_meter_is_doubled(place, history, rows):
    history.note(Sent(9, "adam", 0, "key-9", f"M{place}", 109))

    assert verdict_on(history, [*rows, Row("key-9", "adam", f"M{place}", 109)]).faults == {"doubled": ["key-9"]}


@each_reading
def test_a_reading_of_somebody_else_is_under_a_wrong_name(place, history, rows):
    rows[place] = rows[place]._replace(username="eric")

    assert verdict_on(history, rows).faults == {"wrong_name": [f"key-{place}"]}


@each_reading
def test_a_key_that_is_there_under_two_names_is_doubled_and_under_a_wrong_name(place, history, rows):
    rows.append(rows[place]._replace(username="eric"))

    assert verdict_on(history, rows).faults == {"doubled": [f"key-{place}"], "wrong_name": [f"key-{place}"]}


def test_a_reading_that_nobody_has_sent_is_found(history, rows):
    rows.append(Row("key-9", "adam", "M9", 109))

    assert verdict_on(history, rows).faults == {"never_sent": ["key-9"]}


def test_a_reading_that_was_refused_and_is_there_is_found(history, rows):
    history.note(Sent(9, "adam", 0, "key-9", "M9", 109))
    history.note(Refused(9.5, "adam", 0, "key-9", "AlreadyRead()"))

    assert verdict_on(history, rows).faults == {}
    assert verdict_on(history, [*rows, Row("key-9", "adam", "M9", 109)]).faults == {"refused_and_kept": ["key-9"]}


def test_a_meter_that_two_were_told_to_read_is_found(history, rows):
    history.note(Handed(9, "carol", 0, "M0"))

    assert verdict_on(history, rows).faults == {"handed_twice": ["M0"]}
