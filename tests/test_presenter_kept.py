"""Readings that were not sent when their reader's login had expired, and somebody else logs in."""

from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import log_in, submit
from readers import readings_in

from metermt.model import Status


def test_what_was_typed_is_never_sent_by_somebody_else_and_kept_for_its_reader(reading, manager, clock_of_today):
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
        "The reading of G5248 by Carol Dent was not sent. It is kept in this window until carol logs in here again"
    )
    assert readings_in(manager.desk.store) == []
    typed_at = clock_of_today.now

    clock_of_today.move(hours=13)
    submit(reading, "1")
    reading.edit("username", "Carol ")
    log_in(reading)
    assert reading.state.question.text == "Your reading of G5248, 5983, was kept here and not sent."
    reading.choose(0)
    assert (reading.state.notice, reading.state.status) == ("Accepted 5983 for G5248", Status(1, 1))
    (kept,) = readings_in(manager.desk.store)
    assert (kept.username, kept.answer.value, kept.answer.reason) == ("carol", 5983, "lid broken")
    assert kept.answer.when < typed_at
    assert reading._outbox.meters() == [("adam", "G5248")]


def test_what_is_kept_for_readers_is_asked_about_when_somebody_quits(reading, clock_of_today):
    ended = []
    reading.ended = lambda: ended.append(True)
    clock_of_today.move(hours=13)
    submit(reading, "5983")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    reading.leave()
    assert reading.state.question.text == "Carol's reading of G5248 was not sent. Quit all the same?"
    reading.choose(0)
    reading.edit("reading", "1")
    reading.leave()
    assert reading.state.question.text == (
        "Your reading of G5248 and carol's reading of G5248 were not sent. Quit all the same?"
    )
    assert not ended
    reading.choose(1)
    assert ended


def test_what_was_kept_and_is_not_sent_now_is_offered_again_and_goes_when_it_is_typed_anew(reading, clock_of_today):
    clock_of_today.move(hours=13)
    submit(reading, "5983")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    clock_of_today.move(hours=13)
    submit(reading, "1")
    reading.edit("username", "carol")
    log_in(reading)
    reading.choose(1)
    assert (reading.state.question, reading.state.typed.reading) == (None, "")
    reading.fetch()
    reading.choose(1)
    submit(reading, "5984")
    assert reading.state.notice == "Accepted 5984 for G5248"
    assert reading._outbox.of("carol") == []


def test_a_kept_reading_that_is_refused_is_told_and_gone(reading, manager, clock_of_today):
    clock_of_today.move(hours=13)
    submit(reading, "5983")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    submit(reading, "6000")
    clock_of_today.move(hours=13)
    submit(reading, "1")
    reading.edit("username", "carol")
    log_in(reading)
    reading.choose(0)
    assert reading.state.faults == {"meter": "Meter G5248 was already read this cycle by adam"}
    assert reading.state.question is None
    assert reading._outbox.of("carol") == []
