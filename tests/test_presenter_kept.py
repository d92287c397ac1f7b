"""Readings that are not confirmed: kept for who typed them, offered to them, and thrown away by them only."""

from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import log_in, submit
from readers import readings_in

from metermt.client.outbox import Outbox, Unconfirmed
from metermt.errors import ServerLost
from metermt.gui.state import Screen
from metermt.model import Answer, Status


def test_what_was_typed_is_never_sent_by_somebody_else_and_kept_for_its_reader(
    reading, manager, clock_of_today, tmp_path
):
    clock_of_today.move(hours=13)
    submit(reading, "5983", "lid broken")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    state = reading.state
    assert (state.title, state.job.meter.number, state.typed.reading, state.typed.reason) == (
        "Meter — Adam Ong",
        "G5248",
        "",
        "Read",
    )
    assert state.faults[""] == (
        "The reading of G5248 by Carol Dent was not sent. It is kept here until carol logs in again"
    )
    assert readings_in(manager.desk.store) == []
    typed_at = clock_of_today.now

    clock_of_today.move(hours=13)
    submit(reading, "1")
    reading.edit("username", "Carol ")
    log_in(reading)
    assert reading.state.question.text == "Your reading of G5248, 5983, was kept here and is not confirmed."
    reading.choose(0)
    assert (reading.state.notice, reading.state.status) == ("Accepted 5983 for G5248", Status(1, 1))
    (kept,) = readings_in(manager.desk.store)
    assert (kept.username, kept.answer.value, kept.answer.reason) == ("carol", 5983, "lid broken")
    assert kept.answer.when < typed_at
    assert [(row.username, row.answer.meter) for row in Outbox(tmp_path / "outbox").all()] == [("adam", "G5248")]


def test_what_is_not_confirmed_and_kept_is_said_to_who_quits_and_offered_to_their_next_window(
    reading, open_presenter, manager, clock_of_today
):
    ended = []
    reading.ended = lambda: ended.append(True)
    clock_of_today.move(hours=13)
    submit(reading, "5983")
    reading.leave()
    assert reading.state.question.text == (
        "Your reading of G5248 is not confirmed. It is kept on this computer, and you are asked about it when you"
        " log in here again. Quit?"
    )
    reading.choose(1)
    assert ended

    log_in(again := open_presenter())
    assert again.state.question.text == "Your reading of G5248, 5983, was kept here and is not confirmed."
    again.choose(1)
    assert (again.state.question, again.state.typed.reading) == (None, "")
    again.fetch()
    assert again.state.question is None  # once a login
    log_in(again := open_presenter())
    again.choose(0)
    assert (again.state.notice, again.state.status) == ("Accepted 5983 for G5248", Status(1, 1))
    assert [kept.answer.value for kept in readings_in(manager.desk.store)] == [5983]


def test_what_was_typed_and_not_sent_is_lost_and_asked_about_when_somebody_quits(reading):
    reading.edit("reading", "5983")
    reading.leave()
    assert reading.state.question.text == "Your reading of G5248 was not sent. Quit all the same?"


def test_what_was_kept_goes_when_it_is_typed_anew_and_accepted(reading, clock_of_today, tmp_path):
    clock_of_today.move(hours=13)
    submit(reading, "5983")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    clock_of_today.move(hours=13)
    submit(reading, "1")
    reading.edit("username", "carol")
    log_in(reading)
    reading.choose(1)
    submit(reading, "5984")
    assert reading.state.notice == "Accepted 5984 for G5248"
    assert [row.username for row in Outbox(tmp_path / "outbox").all()] == ["adam"]


def test_a_reading_for_a_cycle_that_was_closed_is_told_and_kept_until_it_is_thrown_away(
    reading, open_presenter, manager, tmp_path
):
    manager.desk.store.write(lambda tx: tx.cycles.close("2026-11"))
    submit(reading, "5983")
    closed = "Cycle 2026-11 is closed: meter G5248 is not read for it any more; ask for another job"
    refused = f"{closed}.\nKeep your reading, 5983 for G5248, to be asked again at a login?"
    assert reading.state.question.text == refused
    reading.choose(0)
    assert (reading.state.end, reading.state.faults) == ("No cycle is open.", {"meter": closed})

    log_in(again := open_presenter())
    again.choose(0)
    assert again.state.question.text == refused
    assert len(Outbox(tmp_path / "outbox").all()) == 1
    again.choose(1)
    assert again.state.question is None
    assert Outbox(tmp_path / "outbox").all() == []


def test_many_readings_that_were_kept_are_offered_at_once(open_presenter, proxy, manager, tmp_path):
    server, when = f"127.0.0.1:{proxy.port}", "2026-11-20T10:00:00+00:00"
    answers = [Answer(meter, 5, "", when, meter, "2026-11") for meter in ("G1", "G2", "G3", "G4", "G5248", "G5249")]
    Outbox(tmp_path / "outbox").put([Unconfirmed(server, "carol", answer) for answer in answers])
    log_in(presenter := open_presenter())
    assert presenter.state.question.text == (
        "These readings of yours were kept here and are not confirmed:\n5 for G1\n5 for G2\n5 for G3\nand 3 more"
    )
    presenter.choose(2)
    assert presenter.state.question.text == "Throw away these 6 readings? They cannot be had back."
    presenter.choose(0)
    assert len(Outbox(tmp_path / "outbox").all()) == 6
    log_in(presenter := open_presenter())
    presenter.choose(0)
    assert presenter.state.notice == "Accepted 2 readings"
    heading, first, *_, more, question = presenter.state.question.text.splitlines()
    assert (heading, more) == ("These were refused:", "and 1 more")
    assert first == "5 for G1: Unknown meter 'G1' in cycle '2026-11': check the number on the meter"
    assert question == "Keep them, to be asked again at a login?"
    presenter.choose(1)
    assert Outbox(tmp_path / "outbox").all() == []
    assert (presenter.state.screen, presenter.state.end) == (Screen.DONE, "All jobs are done.")


def test_a_reading_that_is_no_reading_is_not_kept(reading, tmp_path):
    submit(reading, "598312")
    assert "too long" in reading.state.faults["reading"]
    assert Outbox(tmp_path / "outbox").all() == []


def test_a_computer_that_cannot_keep_a_reading_says_so_and_sends_it(reading, tmp_path, monkeypatch):
    (tmp_path / "outbox").touch()
    trouble = f"What is typed cannot be kept on this device, in {tmp_path / 'outbox'}: Not a directory"
    submit(reading, "5983")
    assert reading.state.notice == "Accepted 5983 for G5248"
    assert reading.state.faults == {"": trouble}

    monkeypatch.setattr(reading._connected, "_try", lambda *_: (_ for _ in ()).throw(ServerLost("It is gone")))
    reading._connected.timeout = 0.1
    submit(reading, "17")
    assert reading.state.faults == {
        "": f"It is gone. Your reading is in this window only: Retry sends it again, and it counts once. {trouble}"
    }
    reading.leave()
    assert reading.state.question.text == "Your reading of G5249 was not sent. Quit all the same?"
