"""How jobs stand, which answers are judged by, in every store."""

from conftest import (
    CYCLE,
    LEASED_UNTIL,
    OTHER_CYCLE,
    add_readers,
    dump,
    import_jobs,
    make_job,
    make_jobs,
    make_reading,
)

from metermt.model import JobState, Standing
from metermt.store.steps.rounds import LOOKS_BACK


def test_standings_tell_all_that_an_answer_is_judged_by(crew):
    crew.jobs.change([make_job("M00002", sequence=2, dials=None)])
    crew.lease("adam-2", "M00002", until=LEASED_UNTIL + 0.5)
    crew.record(make_reading("M00003", "adam"))
    ids = {standing.meter: standing.job for standing in crew.rounds.standings(["M00002", "M00003"])}
    assert crew.standing("M00002") == Standing(
        ids["M00002"], "M00002", CYCLE, None, JobState.OPEN, None, "adam", LEASED_UNTIL + 0.5, "adam"
    )
    assert crew.standing("M00003") == Standing(
        ids["M00003"], "M00003", CYCLE, 5, JobState.DONE, "adam", None, 0, value=100
    )


def test_who_was_handed_a_job_last_is_known_when_the_lease_has_ended(crew):
    crew.lease("adam-1", "M00000", "M00001", "M00002", until=10)
    crew.leases.end_expired(10)
    crew.lease("carol-1", "M00001", "M00003", until=LEASED_UNTIL)
    crew.leases.end_of(["carol-1"])
    crew.record(make_reading("M00002", "carol"))
    handed_to = [crew.standing(f"M0000{number}").handed_to for number in range(5)]
    assert handed_to == ["adam", "carol", "adam", "carol", None]
    assert crew.rounds.closed_hands([f"M0000{number}" for number in range(5)]) == {}


def test_who_was_handed_a_job_last_is_known_when_its_cycle_is_closed(crew):
    crew.lease("adam-1", "M00000", until=LEASED_UNTIL)
    crew.lease("carol-1", "M00001", "M00002", until=LEASED_UNTIL)
    crew.record(make_reading("M00002", "carol"), make_reading("M00003", "carol"))
    crew.cycles.close(CYCLE)
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(2, OTHER_CYCLE))
    for meter in ("M00000", "M00001"):
        crew.lease("carol-1", meter, until=LEASED_UNTIL)
    assert crew.rounds.closed_hands(["M00000", "M00001", "M00002", "M00003", "M9"]) == {
        ("M00000", "adam"): CYCLE,
        ("M00001", "carol"): CYCLE,
        ("M00002", "carol"): CYCLE,
        **{(f"M0000{number}", ""): CYCLE for number in range(4)},
    }
    crew.cycles.close(OTHER_CYCLE)
    assert crew.rounds.closed_hands(["M00000", "M00001"]) == {
        ("M00000", "adam"): CYCLE,
        ("M00000", "carol"): OTHER_CYCLE,
        ("M00001", "carol"): OTHER_CYCLE,
        **{(f"M0000{number}", ""): OTHER_CYCLE for number in range(2)},
    }
    assert crew.rounds.closed_hands([]) == {}


def test_only_the_latest_closed_cycles_are_looked_into_for_who_was_handed_a_job(steps):
    add_readers(steps.store, "carol")
    for year in range(2000, 2001 + LOOKS_BACK):
        import_jobs(steps.store, f"{year}", [make_job(f"M{year}", f"{year}")])
        steps.lease("carol-1", f"M{year}", until=LEASED_UNTIL)
        steps.cycles.close(f"{year}")
    assert steps.rounds.closed_hands(["M2000", "M2001"]) == {("M2001", "carol"): "2001", ("M2001", ""): "2001"}


def test_standings_come_in_the_order_of_the_cycles(crew):
    for cycle in ("2026-12", "2026-10"):
        import_jobs(crew.store, cycle, make_jobs(3, cycle))
    standings = crew.rounds.standings(["M00002", "M00001", "M00004"])
    assert [standing.cycle for standing in standings] == ["2026-10"] * 2 + ["2026-11"] * 3 + ["2026-12"] * 2
    of_one = [standing for standing in standings if standing.meter == "M00002"]
    assert [standing.cycle for standing in of_one] == ["2026-10", "2026-11", "2026-12"]


def test_a_meter_that_is_asked_for_twice_stands_once(crew):
    assert len(crew.rounds.standings(["M00002", "M00001", "M00002", "M9"])) == 2


def test_what_is_done_to_a_standing_is_not_done_to_the_store(crew):
    before = dump(crew.store)

    def decide(tx):
        (standing,) = tx.rounds.standings(["M00000"])
        standing.state, standing.read_by, standing.leased_to = JobState.DONE, "carol", "carol"
        assert tx.rounds.standings(["M00000"])[0].state is JobState.OPEN

    crew.store.write(decide)
    assert dump(crew.store) == before
