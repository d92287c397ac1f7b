"""What every store promises: who walks which route, and what is next there."""

import pytest
from conftest import CYCLE, LEASED_UNTIL, OTHER_CYCLE, T0, import_jobs, make_job, make_reading
from steps import meters_of

from metermt.model import Assignment, JobState, Walk
from metermt.progress import RouteCounts

ROUTES = {"North": ["N1", "N2", "N3"], "South": ["S1", "S2"]}


@pytest.fixture
def town(crew):
    """The crew, and two more routes in two cycles."""
    crew.jobs.remove([crew.standing(f"M0000{n}").job for n in range(5)])
    for route, meters in ROUTES.items():
        import_jobs(crew.store, CYCLE, [make_job(meter, route=route, sequence=n) for n, meter in enumerate(meters)])
    import_jobs(crew.store, OTHER_CYCLE, [make_job("N1", OTHER_CYCLE, "North", 0)])
    return crew


def ids(town, *meters, cycle=CYCLE):
    return [one.job for one in town.rounds.standings(meters) if one.cycle == cycle]


def next_on(town, *walks, most=9):
    return {walk: meters_of(jobs) for walk, jobs in town.rounds.free(dict.fromkeys(walks, most)).items()}


def test_jobs_come_along_the_walk_or_against_it(town):
    north, back = Walk("North"), Walk("North", reverse=True)
    assert next_on(town, north, back, Walk("South"), Walk("West")) == {
        north: ["N1", "N2", "N3", "N1"],
        back: ["N1", "N3", "N2", "N1"],
        Walk("South"): ["S1", "S2"],
        Walk("West"): [],
    }
    assert next_on(town, north, back, most=2) == {north: ["N1", "N2"], back: ["N1", "N3"]}


def test_what_was_skipped_comes_last_and_what_is_leased_or_read_not_at_all(town):
    town.rounds.skip(ids(town, "N1", "S1", "S2"))
    town.lease("carol-1", "N2", until=LEASED_UNTIL)
    town.record(make_reading("S1"))
    assert next_on(town, Walk("North"), Walk("South")) == {Walk("North"): ["N3", "N1", "N1"], Walk("South"): ["S2"]}
    assert town.rounds.routes_left(9) == {"North": 3, "South": 1}
    assert town.rounds.routes_left(1).keys() == {"North", "South"}, "no more than one of each is counted"
    assert town.progress.routes(CYCLE) == [RouteCounts("North", 0, 0, 1, 2), RouteCounts("South", 1, 0, 1, 0)]


def test_a_skipped_job_is_leased_read_missed_and_opened_like_any_other(town):
    town.lease("carol-1", "S1", until=LEASED_UNTIL)
    town.rounds.skip(ids(town, "S1", "S2"))
    assert town.held("carol-1") == {}
    assert town.standing("S1").state is JobState.SKIPPED
    town.lease("carol-1", "S1", until=T0 + 5)
    assert town.held("carol-1") == {"carol-1": ["S1"]}
    town.leases.end_expired(T0 + 5)
    assert town.rounds.routes_left(9) == {"North": 4, "South": 2}
    town.record(make_reading("S1"))
    assert town.standing("S1").state is JobState.DONE
    town.cycles.close(CYCLE)
    assert town.rounds.routes_left(9) == {"North": 1}
    town.cycles.reopen(CYCLE)
    assert town.standing("S2").state is JobState.OPEN


def test_routes_are_given_and_taken(crew):
    crew.walks.assign([Assignment("West", "carol"), Assignment("East", "carol"), Assignment("West", "adam", True)])
    crew.walks.assign([Assignment("West", "carol", reverse=True)])
    crew.walks.unassign([("East", "carol"), ("none", "carol")])
    assert crew.walks.assignments() == [Assignment("West", "adam", True), Assignment("West", "carol", True)]


def test_a_session_knows_where_its_reader_walks(crew):
    assert crew.sessions.find(["carol-1"])["carol-1"].walk is None
    crew.walks.go({"carol-1": Walk("", True, True), "adam-1": Walk("West"), "nobody": Walk("West")})
    assert crew.sessions.find(["carol-1"])["carol-1"].walk == Walk("", True, True)
    assert sorted(crew.walks.now(T0)) == [("adam", Walk("West")), ("carol", Walk("", True, True))]
    assert crew.walks.now(T0 + 1) == []
    crew.sessions.end(["adam-1"])
    assert crew.walks.now(T0) == [("carol", Walk("", True, True))]
    crew.walks.stop_all()
    assert crew.walks.now(T0) == []
