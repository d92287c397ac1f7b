"""What every store promises: jobs are found by a text, routes counted, and what a reader has sent last is known."""

from datetime import timedelta

import pytest
from conftest import CYCLE, NOW, OTHER_CYCLE, import_jobs, make_job, make_reading
from steps import meters_of

from metermt.progress import RouteCounts

STREETS = [
    make_job("G40017", route="South", sequence=1, address="2 Hill Road"),
    make_job("E445691/2", route="South", sequence=2, address="17 Hill Road"),
    make_job("W1", route="North", sequence=3, address="Überlinger Straße 5_a"),
    make_job("W2", route="North", sequence=4, address="Aberlinger Weg 50%"),
]


@pytest.fixture
def streets(crew):
    """The crew, and four more jobs on two streets."""
    import_jobs(crew.store, CYCLE, STREETS)
    return crew


def found(streets, text, most=9, route=None):
    return meters_of(streets.rounds.search(text, most, route))


@pytest.mark.parametrize(
    ("text", "meters"),
    [
        ("17", ["G40017", "E445691/2"]),
        ("g4001", ["G40017"]),
        ("hill ROAD", ["G40017", "E445691/2"]),
        ("überLINGER", ["W1"]),
        ("ÜBER", ["W1"]),
        ("straße 5_", ["W1"]),
        ("5_a", ["W1"]),
        ("0%", ["W2"]),
        ("!", []),
        ("18 Hill", []),
    ],
)
def test_jobs_are_found_by_a_part_of_the_number_or_the_address(streets, text, meters):
    assert found(streets, text) == meters


def test_as_many_are_found_as_are_wanted_on_one_route_or_on_all_of_open_cycles_only(streets):
    import_jobs(streets.store, OTHER_CYCLE, [make_job("G40017", OTHER_CYCLE, "South", 1)])
    assert found(streets, "0", most=3) == ["M00000", "M00001", "M00002"]
    assert found(streets, "0", route="South") == ["G40017", "G40017"]
    assert found(streets, "ER", route="South") == []
    streets.cycles.close(CYCLE)
    assert [known.job.cycle for known in streets.rounds.search("17", 9)] == [OTHER_CYCLE]


def test_one_route_of_a_cycle_can_be_counted_alone(streets):
    streets.record(make_reading("G40017"))
    assert streets.progress.routes(CYCLE, "South") == [RouteCounts("South", 1, 0, 0, 1)]
    assert streets.progress.routes(CYCLE, "West") == streets.progress.routes(OTHER_CYCLE, "South") == []
    assert [counts.route for counts in streets.progress.routes(CYCLE)] == ["North", "South"]


def test_what_a_reader_has_sent_last_comes_newest_first_and_only_what_counts(streets):
    later = NOW + timedelta(minutes=1)
    streets.record(make_reading("M00000", value=1), make_reading("M00001", value=2), make_reading("M00002", "adam"))
    streets.record(make_reading("M00000", value=3, recorded_at=later))
    streets.record(make_reading("W1", value=None, reason="dog", recorded_at=later + timedelta(minutes=1)))
    latest = streets.readings.latest({"carol": 9, "adam": 9, "nobody": 9})
    assert {name: [(job.meter.number, one.answer.value) for job, one in of] for name, of in latest.items()} == {
        "carol": [("W1", None), ("M00000", 3), ("M00001", 2)],
        "adam": [("M00002", 100)],
    }
    job, reading = latest["carol"][0]
    assert (job, reading.answer.reason, reading.answer.when) == (STREETS[2], "dog", NOW)
    assert len(streets.readings.latest({"carol": 2})["carol"]) == 2
    streets.cycles.close(CYCLE)
    assert streets.readings.latest({"carol": 9}) == {}
