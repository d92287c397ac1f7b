"""What readers tell the office in the window: notes about places, and meters that are on no list."""

from datetime import UTC, datetime

import pytest
from conftest import make_job, make_place
from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import log_in, submit
from readers import as_office
from servers import fill

from metermt.calls import accounts
from metermt.errors import ServerLost
from metermt.fieldnotes import Note
from metermt.gui.state import ANYWHERE, Dialog, Screen
from metermt.manager import Manager
from metermt.store.memory.store import MemoryStore

FOUND = {"number": " w99", "kind": "", "dials": "5", "shows": "00117", "where": "behind the shed"}


@pytest.fixture
def manager(demo_accounts, clock_of_today):
    jobs = [make_job("G5248", sequence=1, address="2 Harbour Road"), make_job("G5249", sequence=2)]
    store = fill(MemoryStore(), demo_accounts, jobs)
    store.write(lambda tx: tx.places.put([make_place("G5248", sequence=1), make_place("G5249", sequence=2)]))
    return Manager(store, clock=clock_of_today)


def notes(desk):
    return [(note.meter, note.text, note.username) for note in desk.store.read(lambda tx: tx.notes.all(9))]


def found(desk):
    told = desk.store.read(lambda tx: tx.finds.undecided(9))
    return [(one.number, one.kind, one.dials, one.reading, one.where) for one in told]


def leave_note(presenter, text):
    presenter.write_note()
    presenter.edit("note", text)
    presenter.leave_note()


def report(presenter, **typed):
    presenter.describe_found()
    for name, text in (FOUND | typed).items():
        presenter.edit(name, text)
    presenter.report_found()


def lose_the_server(presenter, monkeypatch):
    monkeypatch.setattr(presenter._connected, "_try", lambda *_: (_ for _ in ()).throw(ServerLost("It is gone")))
    monkeypatch.setattr(presenter._connected, "timeout", 0.1)  # it would try again for as long as that


def test_a_note_is_left_and_seen_at_once_beside_a_reading_that_is_begun(reading, desk):
    reading.edit("reading", "59")
    reading.write_note()
    assert (reading.state.dialog, reading.state.focus, reading.state.hint) == (
        Dialog.NOTE,
        "note",
        "G5248, 2 Harbour Road",
    )
    leave_note(reading, " two dogs ")
    state = reading.state
    assert (state.dialog, state.notice, state.job.note, state.typed.reading) == (
        None,
        "Noted for G5248",
        "two dogs",
        "59",
    )
    assert notes(desk) == [("G5248", "two dogs", "carol")]
    reading.write_note()
    assert (reading.state.typed.note, reading.state.hint) == (
        "",
        "G5248, 2 Harbour Road\nThe note there is: two dogs",
    )
    reading.come_back()
    desk.store.write(lambda tx: tx.notes.add([Note("G5248", "a third one", "adam", datetime.now(UTC))]))
    reading.fetch()
    assert (reading.state.job.note, reading.state.typed.reading) == ("a third one", "59")


@pytest.mark.parametrize(
    ("text", "fault"),
    [("  ", "The note is empty: say it in a few words"), ("x" * 201, "The note has 201 characters: 200 are allowed")],
)
def test_what_is_no_note_is_refused_below_its_field_and_stays(reading, desk, text, fault):
    leave_note(reading, text)
    assert (reading.state.dialog, reading.state.faults, reading.state.typed.note) == (
        Dialog.NOTE,
        {"note": fault},
        text,
    )
    assert notes(desk) == []


def test_a_note_or_a_report_stays_when_the_server_is_away(reading, desk, monkeypatch):
    with monkeypatch.context() as patched:
        lose_the_server(reading, patched)
        leave_note(reading, "two dogs")
        assert reading.state.faults == {ANYWHERE: "It is gone. What you typed stays here: Send tries again"}
        assert (reading.state.dialog, reading.state.typed.note) == (Dialog.NOTE, "two dogs")
    reading.leave_note()
    assert notes(desk) == [("G5248", "two dogs", "carol")]
    with monkeypatch.context() as patched:
        lose_the_server(reading, patched)
        report(reading)
        assert (reading.state.dialog, reading.state.typed.where) == (Dialog.FOUND, "behind the shed")
        reading.come_back()
    report(reading)
    assert len(found(desk)) == 1


def test_a_note_that_fails_takes_nothing_from_a_reading_that_is_not_confirmed(reading, desk, monkeypatch):
    with monkeypatch.context() as patched:
        lose_the_server(reading, patched)
        submit(reading, "5983")
        leave_note(reading, "")
    reading.leave_note()
    assert reading.state.faults == {"note": "The note is empty: say it in a few words"}
    reading.come_back()
    reading.submit()
    assert reading.state.notice == "Accepted 5983 for G5248"


def test_who_has_gone_on_while_a_note_was_sent_is_not_held_up_by_it(reading, desk, monkeypatch):
    client = reading._connected
    real = client.leave_note

    def fail(*_):
        reading.come_back()
        reading.edit("reading", "59")
        raise ServerLost("It is gone")

    monkeypatch.setattr(client, "leave_note", fail)
    leave_note(reading, "two dogs")
    assert (reading.state.dialog, reading.state.typed.reading) == (None, "59")
    assert reading.state.faults == {
        ANYWHERE: "Your note was not sent: It is gone. It is still there under More; Retry sends it"
    }
    monkeypatch.setattr(client, "leave_note", real)
    reading.retry()
    assert (notes(desk), reading.state.notice) == ([("G5248", "two dogs", "carol")], "Noted for G5248")


def test_retry_of_a_note_leaves_keys_of_a_reading_refused(reading, desk, monkeypatch):
    """Half of a number stands there, which must not count as the number."""
    client = reading._connected
    real = client.leave_note
    reading.edit("reading", "59")

    def fail(*_):
        reading.come_back()
        reading.refuse_key()
        raise ServerLost("It is gone")

    monkeypatch.setattr(client, "leave_note", fail)
    leave_note(reading, "two dogs")
    monkeypatch.setattr(client, "leave_note", real)
    reading.retry()
    assert notes(desk) == [("G5248", "two dogs", "carol")]
    assert (reading.state.keys_refused, reading.state.can_submit) == (True, False)


def test_what_was_typed_for_the_office_and_not_sent_is_asked_about_before_it_is_lost(reading):
    reading.write_note()
    reading.edit("note", "two dogs")
    reading.come_back()
    reading.describe_found()
    reading.edit("where", "behind the shed")
    reading.come_back()
    words = "Your note and your report of a meter were not sent."
    reading.log_out()
    assert reading.state.question.text == f"{words} Log out all the same?"
    reading.choose(0)
    reading.leave()
    assert reading.state.question.text == f"{words} Quit all the same?"


def test_who_has_gone_on_when_all_is_read_sends_a_report_again_by_retry(reading, desk, monkeypatch):
    submit(reading, "1")
    submit(reading, "2")
    client = reading._connected
    real = client.report_found

    def fail(*_):
        reading.come_back()
        raise ServerLost("It is gone")

    monkeypatch.setattr(client, "report_found", fail)
    report(reading)
    monkeypatch.setattr(client, "report_found", real)
    reading.retry()
    assert len(found(desk)) == 1


def test_whose_login_has_expired_sends_the_note_after_the_next_one_but_not_somebody_else(reading, desk, clock_of_today):
    clock_of_today.move(hours=13)
    leave_note(reading, "two dogs")
    assert reading.state.dialog is Dialog.LOGIN
    log_in(reading)
    assert (reading.state.notice, reading.state.dialog) == ("Noted for G5248", None)
    clock_of_today.move(hours=13)
    leave_note(reading, "a third dog")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    assert reading.state.typed.note == ""
    assert notes(desk) == [("G5248", "two dogs", "carol")]


def test_a_note_is_not_taken_along_to_the_next_meter(reading):
    reading.write_note()
    reading.edit("note", "two dogs")
    reading.come_back()
    submit(reading, "1")
    reading.write_note()
    assert (reading.state.typed.note, reading.state.hint) == ("", "G5249")


def test_a_meter_that_is_on_no_list_is_reported_also_when_all_is_read(reading, desk):
    report(reading)
    assert (reading.state.dialog, reading.state.notice) == (None, "Reported W99 to the office")
    submit(reading, "1")
    submit(reading, "2")
    report(reading, number="77", kind="g", dials="", shows="")
    assert found(desk) == [("W99", "W", 5, 117, "behind the shed"), ("77", "G", None, None, "behind the shed")]
    assert (reading.state.screen, reading.state.can_retry, reading.state.typed.number) == (Screen.DONE, True, "")


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"number": ""}, "number", "Invalid meter number ''"),
        ({"number": "G5249"}, "number", "Meter G5249 is on the list"),
        ({"kind": "steam"}, "kind", "Invalid kind 'steam'"),
        ({"dials": "five"}, "dials", "'five' is not a whole number; leave it empty"),
        ({"dials": "0"}, "dials", "Invalid dials 0"),
        ({"shows": "1.5"}, "shows", "'1.5' is not a whole number; leave it empty"),
        ({"shows": "123456"}, "shows", "the register goes from 0 to 99999"),
        ({"where": " "}, "where", "The place is empty"),
    ],
)
def test_what_makes_no_sense_is_told_below_its_field_and_nothing_typed_is_lost(reading, desk, typed, field, words):
    report(reading, **typed)
    assert list(reading.state.faults) == [reading.state.focus] == [field]
    assert words in reading.state.faults[field]
    assert (reading.state.dialog, reading.state.typed.where) == (Dialog.FOUND, (FOUND | typed)["where"])
    assert found(desk) == []


def test_when_all_is_read_there_is_no_place_for_a_note_and_more_can_be_asked_for_after_each_look(reading):
    submit(reading, "1")
    submit(reading, "2")
    reading.write_note()
    assert reading.state.faults == {ANYWHERE: "A note is about one meter: find that one first"}
    for _ in range(2):
        reading.look()
        reading.come_back()
        assert (reading.state.can_retry, reading.state.focus) == (True, "retry")
    for _ in range(3):
        reading.correct()
    assert reading.state.faults == {ANYWHERE: "There is nothing before that which can be corrected"}


def test_who_was_disabled_is_told_so_where_they_are(reading, desk):
    reading.look()
    as_office(desk, accounts.disable_user, accounts.Username("carol"))
    reading.search()
    assert reading.state.faults == {ANYWHERE: "Your account has been disabled: ask the office"}
    reading.come_back()
    leave_note(reading, "two dogs")
    assert reading.state.dialog is Dialog.NOTE
    assert reading.state.faults[ANYWHERE].startswith("Your account has been disabled: ask the office.")
