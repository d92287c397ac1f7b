"""What every store promises: the office's reasons, what readers leave about places, and meters that they find."""

from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import CYCLE, NOW, OTHER_CYCLE, T0, import_jobs, make_job, make_place, make_reading

from metermt.fieldnotes import Found, Note, Reason
from metermt.store.postgres.connection import Connection

SHED = Found("E445691/2", "E", 5, 120, "in the shed behind 7 Hill Road", "carol", NOW)


@pytest.fixture
def town(crew):
    """The crew, with places, one of which has a job in two cycles and one in none."""
    crew.jobs.remove([crew.standing(meter).job for meter in ("M00000", "M00001")])
    crew.places.put([make_place("M00000"), make_place("M00001"), make_place("B")])
    for cycle in (CYCLE, OTHER_CYCLE):
        import_jobs(crew.store, cycle, [make_job("M00000", cycle), make_job("M00001", cycle)])
    return crew


def note(meter, text, username="carol", minutes=0):
    return Note(meter, text, username, NOW + timedelta(minutes=minutes))


def notes_of_jobs(town, meter):
    return [town.jobs.find(cycle, [meter])[meter].note for cycle in (CYCLE, OTHER_CYCLE)]


def test_reasons_keep_their_order_when_they_are_replaced(crew):
    bees, dog = Reason("bees", "Bees", True, False), Reason("dog", "Hound", retired=True)
    crew.notes.put_reasons([dog, bees])
    assert crew.notes.reasons() == [dog, bees]
    crew.notes.put_reasons([replace(dog, retired=False), Reason("ice", "Ice")])
    assert crew.notes.reasons() == [Reason("dog", "Hound"), bees, Reason("ice", "Ice")]


def test_the_last_note_of_a_place_is_known_and_all_of_them_are_on_record(town):
    left = [note("B", "two dogs"), note("M00001", "key at no. 4", "adam", 1), note("B", "one dog", "adam", 2)]
    town.notes.add(left[:1])
    town.notes.add(left[1:])
    assert town.notes.latest(["B", "M00000", "M00001", "none"]) == {"B": "one dog", "M00001": "key at no. 4"}
    assert town.notes.all(9) == left
    assert (town.notes.all(2), town.notes.all(2, 2), town.notes.all(2, 3)) == (left[:2], left[2:], [])


def test_a_note_is_at_once_with_the_jobs_of_its_place_that_are_not_read(town):
    town.record(make_reading("M00001"))
    town.cycles.close(OTHER_CYCLE)
    town.notes.add([note("M00001", "key at no. 4"), note("M00000", "bees"), note("M00000", "no bees")])
    assert notes_of_jobs(town, "M00001") == ["", "key at no. 4"]
    assert notes_of_jobs(town, "M00000") == ["no bees"] * 2


def test_a_job_is_added_with_a_note_and_keeps_it_whatever_else_is_changed(crew):
    import_jobs(crew.store, CYCLE, [make_job("B", note="two dogs")])
    crew.jobs.change([make_job("B", address="7 Hill Road")])
    assert crew.jobs.find(CYCLE, ["B"])["B"] == make_job("B", address="7 Hill Road", note="two dogs")


def test_meters_that_were_found_come_in_order_and_the_same_only_once(crew):
    bare = Found("W7", "", None, None, "in the barn", "adam", NOW)
    crew.finds.add([SHED, bare])
    crew.finds.add([replace(SHED, found_at=NOW + timedelta(hours=1)), replace(SHED, reading=121), bare])
    there = crew.finds.undecided(9)
    assert [replace(one, id=0) for one in there] == [SHED, bare, replace(SHED, reading=121)]
    assert (crew.finds.undecided(1), crew.finds.undecided(9, there[1].id)) == (there[:1], there[2:])


def test_the_code_of_a_reason_is_kept_with_the_reading(crew):
    crew.record(make_reading("M00000", value=None, reason="big one", code="dog", key="k"))
    ((_, kept),) = crew.readings.all(None)
    assert (kept.code, kept.answer.reason) == ("dog", "big one")
    assert crew.readings.by_key([("carol", "k")])["carol", "k"] == kept


def test_the_reasons_come_along_with_what_else_is_gathered(shared_postgres_store, monkeypatch):
    ways, run_together = [], Connection.run_together
    monkeypatch.setattr(Connection, "run_together", lambda *args: ways.append(run_together(*args)))

    def ways_for(**asked):
        ways.clear()
        shared_postgres_store.write(lambda tx: tx.gather(T0, [("carol", "k")], ["M00000"], **asked).reasons)
        return len(ways)

    ways_for()
    assert ways_for(reasons=True) == ways_for()
