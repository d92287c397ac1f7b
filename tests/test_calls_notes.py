"""Reasons, notes and meters that were found: what readers tell the office besides readings."""

from dataclasses import replace

import pytest
from conftest import CYCLE, NOW, OTHER_CYCLE, make_job, make_place
from readers import WHEN, Reader, as_office
from servers import listening

import metermt
from metermt.calls import cycles, found, notes, opening, places, readings, reasons, rounds, routes
from metermt.calls.found import FoundMeter, FoundMeters
from metermt.calls.notes import Noted, Notes
from metermt.errors import InvalidReason, InvalidReport, ReasonError, RoleError, UnknownMeter
from metermt.fieldnotes import Found, Note, Reason
from metermt.model import Answer, Role

SHED = FoundMeter("E445691/2", "E", 5, None, "in the shed")


@pytest.fixture
def town(desk_of_readers):
    """A desk with three meters to be read, one that is asleep, and nothing else."""
    known = [make_place(f"M{n}", "North", n) for n in (1, 2, 3)] + [make_place("OLD", active=False)]
    as_office(desk_of_readers, places.import_places, places.Places(known))
    as_office(desk_of_readers, opening.open_cycle, opening.Opening(CYCLE))
    return desk_of_readers


@pytest.fixture
def carol(town):
    return Reader(town)


def kept(desk):
    return {meter: (value, code, reason) for meter, value, code, reason in _kept(desk)}


def _kept(desk):
    for _, reading in desk.store.read(lambda tx: list(tx.readings.all(None))):
        yield reading.answer.meter, reading.answer.value, reading.code, reading.answer.reason


def notes_of(reader, n=9):
    return {job.meter.number: job.note for job in reader.ask(rounds.get_jobs, rounds.JobsWanted(n))}


def test_a_reason_is_given_by_its_code_or_by_its_text_in_all_ways(town, carol):
    carol.submit("M1", -1, "Dog")
    carol.ask(readings.submit_and_next, Answer("M2", 7, "seal cut", WHEN, code="TAMPERED"))
    assert carol.submit_many([Answer("M3", None, when=WHEN, code="locked-gate")]) == [None]
    assert kept(town) == {
        "M1": (None, "dog", "Dog"),
        "M2": (7, "tampered", "seal cut"),
        "M3": (None, "locked-gate", "Locked gate"),
    }


def test_an_answer_whose_reason_cannot_be_changes_nothing(town, carol):
    outcomes = carol.submit_many(
        [
            Answer("M1", None, when=WHEN, code="bees"),
            Answer("M2", 7, when=WHEN, code="no-access"),
            Answer("M3", None, when=WHEN, code=7),
            Answer("M3", None, "", WHEN, code=" "),
        ]
    )
    assert [str(error) for error in outcomes][3].startswith("Invalid reading: give a reading of 0 or more, or a reason")
    assert [type(error) for error in outcomes[:3]] == [InvalidReason] * 3
    assert kept(town) == {}
    carol.submit("M1", None, "bees")


def test_a_key_that_comes_again_counts_once_whatever_became_of_the_reason(town, carol):
    by_text, by_code = Answer("M1", None, "Dog", WHEN, "k1"), Answer("M2", None, "", WHEN, "k2", code="dog")
    assert carol.submit_many([by_text, by_code]) == [None, None]
    as_office(town, reasons.retire_reason, reasons.Retiring("dog"))
    assert carol.submit_many([by_text, by_code]) == [None, None]
    assert len(list(_kept(town))) == 2
    with pytest.raises(InvalidReason, match="Unknown reason 'dog': there are no-access, locked-gate, refused-entry"):
        carol.ask(readings.submit_reading, Answer("M3", None, when=WHEN, code="dog"))
    carol.submit("M3", None, "Dog")
    assert kept(town)["M3"] == (None, None, "Dog")


def test_the_office_edits_the_list_that_readers_get(town, carol):
    bees = Reason("bees", "Bees", wants_reread=True, allows_reading=False)
    before = carol.ask(reasons.list_reasons)
    as_office(town, reasons.add_reason, bees)
    as_office(town, reasons.retire_reason, reasons.Retiring("vacant"))
    assert carol.ask(reasons.list_reasons) == [one for one in before if one.code != "vacant"] + [bees]
    as_office(town, reasons.add_reason, Reason("vacant", "Vacant"))
    assert carol.ask(reasons.list_reasons) == [*before, bees]
    for asked in (Reason("bees", "Wasps"), Reason("wasps", "BEES"), Reason("no", "bees"), Reason("key", "Dog")):
        with pytest.raises(ReasonError, match="already"):
            as_office(town, reasons.add_reason, asked)
    assert carol.ask(reasons.list_reasons) == [*before, bees]
    with pytest.raises(RoleError):
        carol.ask(reasons.add_reason, Reason("mine", "Mine"))


def test_the_reasons_are_looked_up_only_for_an_answer_that_gives_one(town, carol, monkeypatch):
    asked = []
    monkeypatch.setattr(readings, "in_use", lambda said: asked.append(said) or [])
    carol.submit("M1", 7)
    assert asked == []
    carol.submit("M2", 7, "a wasp")
    assert len(asked) == 1


def test_a_note_is_shown_at_once_and_in_the_cycles_to_come(town, carol):
    carol.ask(notes.leave_note, Noted("M2", "  two dogs "))
    carol.ask(notes.leave_note, Noted("M2", "key at no. 4"))
    carol.ask(notes.leave_note, Noted("M2", "key at no. 4"))
    assert notes_of(carol) == {"M1": "", "M2": "key at no. 4", "M3": ""}
    assert as_office(town, notes.list_notes, Notes(), Role.SUPERVISOR) == [
        Note("M2", "two dogs", "carol", NOW),
        Note("M2", "key at no. 4", "carol", NOW),
    ]
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    as_office(town, opening.open_cycle, opening.Opening(OTHER_CYCLE))
    assert notes_of(carol) == {"M1": "", "M2": "key at no. 4", "M3": ""}


def test_an_imported_job_has_the_note_of_its_place(town, carol):
    carol.ask(notes.leave_note, Noted("M2", "two dogs"))
    jobs = [make_job("M2", route="North", sequence=2, note="of nobody"), make_job("M1", route="North", sequence=1)]
    assert as_office(town, routes.import_jobs, routes.Import(CYCLE, jobs)) == routes.ImportCount(unchanged=2)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    others = [make_job("M2", OTHER_CYCLE, note="of nobody")]
    assert as_office(town, routes.import_jobs, routes.Import(OTHER_CYCLE, others)).added == 1
    assert notes_of(carol) == {"M2": "two dogs"}


@pytest.mark.parametrize(
    ("meter", "text", "error", "words"),
    [
        ("M9", "dog", UnknownMeter, "Unknown meter 'M9': check the number on the meter"),
        ("M1", " ", InvalidReport, "The note is empty: say it in a few words"),
        ("M1", "x" * 201, InvalidReport, "The note has 201 characters: 200 are allowed"),
        ("M1", "a\nb", InvalidReport, r"The note has control characters in it, such as a line end: 'a\\nb'"),
    ],
)
def test_what_is_no_note_is_refused(town, carol, meter, text, error, words):
    with pytest.raises(error, match=f"^{words}$"):
        carol.ask(notes.leave_note, Noted(meter, text))
    carol.ask(notes.leave_note, Noted("M1", "x" * 200))
    assert len(as_office(town, notes.list_notes, Notes())) == 1
    with pytest.raises(RoleError):
        carol.ask(notes.list_notes, Notes())


def test_a_meter_that_was_found_is_kept_for_the_office(town, carol):
    carol.ask(found.report_found, SHED)
    carol.ask(found.report_found, SHED)
    carol.ask(found.report_found, FoundMeter("OLD", "", None, 120, "at M1"))
    told = [
        Found("E445691/2", "E", 5, None, "in the shed", "carol", NOW),
        Found("OLD", "", None, 120, "at M1", "carol", NOW),
    ]
    there = as_office(town, found.list_found, FoundMeters(), Role.SUPERVISOR)
    assert [replace(one, id=0) for one in there] == told
    assert as_office(town, found.list_found, FoundMeters(there[0].id)) == there[1:]
    with pytest.raises(RoleError):
        carol.ask(found.list_found, FoundMeters())


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (FoundMeter("m 1", "E", 5, 1, "shed"), "Invalid meter number 'm 1'"),
        (FoundMeter("E1", "X", 5, 1, "shed"), "Invalid kind 'X'"),
        (FoundMeter("E1", "E", 13, 1, "shed"), "Invalid dials 13"),
        (FoundMeter("E1", "E", 5, 100_000, "shed"), "Invalid reading 100000: the register goes from 0 to 99999"),
        (FoundMeter("E1", "E", None, -1, "shed"), "Invalid reading -1"),
        (FoundMeter("E1", "E", 5, 1, ""), "The place is empty"),
        (FoundMeter("M1", "E", 5, 1, "shed"), "Meter M1 is on the list, on route North: leave a note"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(town, carol, one, words):
    with pytest.raises(InvalidReport, match=words):
        carol.ask(found.report_found, one)
    assert as_office(town, found.list_found, FoundMeters()) == []


def test_the_client_has_methods_for_all_of_it(town):
    with listening(town) as server, metermt.connect("localhost", server.port) as client:
        client.login("carol", "carol")
        client.leave_note("M1", "two dogs")
        client.report_found("E1", "E", None, None, "shed")
        assert [one.code for one in client.list_reasons()][:2] == ["no-access", "locked-gate"]
        assert client.get_job().note == "two dogs"
        client.submit_reading("M1", None, when=WHEN, code="dog")
        assert kept(town) == {"M1": (None, "dog", "Dog")}
        with pytest.raises(InvalidReason, match="Unknown reason 'bees'"):
            client.submit_and_next(Answer("M2", None, when=WHEN, code="bees"))
        with pytest.raises(RoleError):
            client.list_notes()
