"""What every store promises: where meters hang, what these have shown, and by what values are judged."""

from datetime import UTC, date, datetime
from decimal import Decimal

from conftest import CYCLE, OTHER_CYCLE, import_jobs, make_job, make_jobs, make_place, make_reading

from metermt.progress import RouteCounts
from metermt.quality import Cause, Flag, Look, Quality
from metermt.rules.history import Read

SUMMER, AUTUMN = date(2026, 7, 1), date(2026, 10, 1)


def test_every_field_of_a_place_is_kept(steps):
    place = make_place(
        "E1", "Mill Lane", 7, kind="E", dials=None, address="7, Größe", instructions="ring", multiplier=Decimal("0.10")
    )
    steps.places.put([place, make_place("G2", active=False)])
    assert steps.places.find(["E1", "G2", "none"]) == {"E1": place, "G2": make_place("G2", active=False)}


def test_a_place_whose_meter_is_there_is_brought_up_to_date(steps):
    steps.places.put([make_place("E1", "Mill Lane", 7)])
    steps.places.put([make_place("E1", "Harbour", 3, dials=6)])
    assert steps.places.active() == [make_place("E1", "Harbour", 3, dials=6)]


def test_active_places_come_in_the_order_of_the_walk(steps):
    steps.places.put(
        [make_place("C", "B", 1), make_place("A", "B", 2), make_place("B", "B", 1), make_place("Z", "A", 9)]
    )
    steps.places.put([make_place("X", "A", 1, active=False)])
    assert [place.meter.number for place in steps.places.active()] == ["Z", "B", "C", "A"]
    steps.places.put([make_place("Y", "C", 1, active=False)])
    assert steps.places.routes() == ["A", "B"]


def test_the_history_of_a_place_has_what_was_imported_and_what_was_read(crew):
    crew.places.put([make_place("M00001")])
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(2, OTHER_CYCLE))
    crew.places.add_history([("M00001", Read(SUMMER, 5)), ("M00001", Read(SUMMER, 0, exchanged=True))])
    crew.places.add_history([("M00001", Read(SUMMER, 6))])
    noon = datetime(2026, 12, 3, 12, tzinfo=UTC)
    crew.record(make_reading("M00001", cycle=OTHER_CYCLE, value=9, when=noon))
    crew.record(make_reading("M00000", cycle=OTHER_CYCLE, value=8))
    (shown,) = crew.places.history(["M00001", "M00000", "none"]).values()
    assert sorted(shown, key=lambda read: (read.on, read.exchanged)) == [
        Read(SUMMER, 6),
        Read(SUMMER, 0, exchanged=True),
        Read(noon.astimezone().date(), 9),
    ]
    assert crew.places.history(["M00001"], but_not={OTHER_CYCLE})["M00001"] == shown[:2]


def test_what_was_read_on_one_day_comes_in_the_order_of_the_cycles_whichever_was_opened_first(crew):
    crew.places.put([make_place("M00001")])
    noon = datetime(2026, 12, 3, 12, tzinfo=UTC)
    for cycle, value in ((OTHER_CYCLE, 9), ("2026-10", 8)):
        import_jobs(crew.store, cycle, make_jobs(2, cycle))
        crew.record(make_reading("M00001", cycle=cycle, value=value, when=noon))
    assert [read.value for read in crew.places.history(["M00001"])["M00001"]] == [8, 9]


def test_the_highest_value_of_a_place_is_that_of_all_that_was_imported_and_read(crew):
    crew.places.put([make_place("M00000"), make_place("M00001"), make_place("M00002")])
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(2, OTHER_CYCLE))
    crew.places.add_history([("M00001", Read(SUMMER, 5)), ("M00001", Read(AUTUMN, 3)), ("M00000", Read(SUMMER, 7))])
    noon = datetime(2026, 12, 3, 12, tzinfo=UTC)
    crew.record(make_reading("M00001", cycle=OTHER_CYCLE, value=9, when=noon))
    crew.record(make_reading("M00000", cycle=OTHER_CYCLE, value=None, reason="dog"))
    assert crew.places.most_shown(["M00000", "M00001", "M00002", "none"]) == {"M00000": 7, "M00001": 9}
    assert crew.places.most_shown([]) == {}


def test_the_history_of_a_place_tells_what_nobody_has_read(crew):
    crew.places.put([make_place("M00001")])
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(2, OTHER_CYCLE))
    crew.places.add_history([("M00001", Read(SUMMER, 5)), ("M00001", Read(AUTUMN, 6, estimated=True))])
    crew.places.add_history([("M00001", Read(SUMMER, 4, estimated=True))])
    noon = datetime(2026, 12, 3, 12, tzinfo=UTC)
    crew.record(make_reading("M00001", cycle=OTHER_CYCLE, value=9, when=noon, quality=Quality.ESTIMATED))
    shown = crew.places.history(["M00001"])["M00001"]
    assert sorted((read.value, read.estimated) for read in shown) == [(4, True), (6, True), (9, True)]


def test_a_reason_is_no_history(crew):
    crew.places.put([make_place("M00001")])
    import_jobs(crew.store, OTHER_CYCLE, make_jobs(2, OTHER_CYCLE))
    crew.record(make_reading("M00001", cycle=OTHER_CYCLE, value=None, reason="dog"))
    assert crew.places.history(["M00001"]) == {}


def test_a_standing_has_the_limits_of_its_job_and_what_was_asked(crew):
    job = crew.standing("M00001").job
    assert (crew.standing("M00001").limits, crew.standing("M00001").look) == (None, None)
    crew.jobs.set_limits({job: "{}"})
    crew.jobs.set_limits({job: '{"a": 1}'})
    crew.readings.ask_again({job: Look("carol", 7, None)})
    crew.readings.ask_again({job: Look("carol", 8, "k")})
    assert (crew.standing("M00001").limits, crew.standing("M00001").look) == ('{"a": 1}', Look("carol", 8, "k"))
    crew.readings.ask_again({job: None})
    assert crew.standing("M00001").look is None


def test_a_job_that_is_removed_takes_its_limits_along(crew):
    job = crew.standing("M00001").job
    crew.jobs.set_limits({job: "{}"})
    crew.readings.ask_again({job: Look("carol", 7, None)})
    crew.jobs.remove([job])
    import_jobs(crew.store, CYCLE, [make_job("M00001")])
    assert (crew.standing("M00001").limits, crew.standing("M00001").look) == (None, None)


def test_what_is_odd_about_a_reading_is_kept(crew):
    odd = {"quality": Quality.VERIFIED, "flags": (Flag.HIGH, Flag.NO_HISTORY), "cause": Cause.SWAPPED}
    reading = make_reading("M00001", key="k", **odd)
    crew.record(reading)
    assert [found for _, found in crew.readings.all(CYCLE)] == [reading]
    assert crew.readings.by_key([("carol", "k")])["carol", "k"].flags == (Flag.HIGH, Flag.NO_HISTORY)


def test_the_jobs_of_a_cycle_are_counted_by_route(crew):
    import_jobs(crew.store, CYCLE, [make_job("X", route=""), make_job("Y", route="South")])
    crew.record(make_reading("M00001"), make_reading("M00002", value=None, reason="dog"))
    assert crew.progress.routes(CYCLE) == [
        RouteCounts("", 0, 0, 0, 1),
        RouteCounts("North", 1, 1, 0, 3),
        RouteCounts("South", 0, 0, 0, 1),
    ]


def test_a_cycle_keeps_its_days(steps):
    steps.cycles.open("2026-11", date(2026, 11, 1), date(2026, 11, 15))
    steps.cycles.open("2026-12")
    steps.cycles.open("2026-11", date(2020, 1, 1))
    assert steps.cycles.days() == {"2026-11": (date(2026, 11, 1), date(2026, 11, 15)), "2026-12": (None, None)}


def test_the_day_by_which_a_cycle_is_to_be_read_can_be_moved(steps):
    steps.cycles.open("2026-11", date(2026, 11, 1), date(2026, 11, 15))
    steps.cycles.open("2026-11", date(2020, 1, 1), date(2026, 11, 20))
    assert steps.cycles.days() == {"2026-11": (date(2026, 11, 1), date(2026, 11, 20))}
