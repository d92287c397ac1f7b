"""What the window does on a route besides reading the next meter."""

import pytest
from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import log_in, submit
from readers import Reader, readings_in

from metermt.gui.state import ANYWHERE, METER, Dialog, Screen


def meter(presenter):
    return presenter.state.job.meter.number


def counted(presenter):
    counts = presenter.state.counts
    return counts.done, counts.total


def kept(desk):
    return [(one.username, one.answer.meter, one.answer.value, one.counts) for one in readings_in(desk.store)]


def found(presenter):
    return [stop.job.meter.number for stop in presenter.state.found.stops]


def test_it_is_told_how_far_the_route_is(reading):
    assert counted(reading) == (0, 2)
    submit(reading, "7")
    assert counted(reading) == (1, 2)
    submit(reading, "8")
    assert (reading.state.screen, reading.state.counts) == (Screen.DONE, None)


def test_a_meter_is_skipped_and_comes_again(reading):
    reading.skip()
    assert (meter(reading), reading.state.notice) == ("G5249", "Skipped G5248")
    submit(reading, "8")
    assert meter(reading) == "G5248"
    reading.skip()
    assert (meter(reading), reading.state.notice) == ("G5248", "Skipped G5248: it is all that is left for you now")


def test_a_meter_that_cannot_be_skipped_as_its_job_is_gone_gives_way_to_the_next(reading, desk):
    desk.store.write(lambda tx: tx.jobs.remove(one.job for one in tx.rounds.standings(["G5248"])))
    reading.skip()
    assert (meter(reading), reading.state.can_retry) == ("G5249", False)
    assert reading.state.faults == {METER: "Unknown meter 'G5248' in cycle '2026-11': check the number on the meter"}


def test_the_last_reading_is_corrected_and_the_one_before_it_also_when_all_is_read(reading, desk):
    submit(reading, "7")
    submit(reading, "8")
    reading.correct()
    assert (meter(reading), reading.state.screen) == ("G5249", Screen.READING)
    assert reading.state.aside.startswith("You sent 8, read ")
    reading.correct()
    assert meter(reading) == "G5248"
    reading.correct()
    assert reading.state.faults == {ANYWHERE: "There is nothing before that which can be corrected"}
    submit(reading, "70")
    assert reading.state.screen is Screen.DONE
    assert kept(desk) == [("carol", "G5248", 7, False), ("carol", "G5248", 70, True), ("carol", "G5249", 8, True)]


def test_a_correction_can_be_left_alone(reading):
    reading.correct()
    assert reading.state.faults == {ANYWHERE: "You have read nothing that can be corrected"}
    submit(reading, "7")
    reading.correct()
    assert meter(reading) == "G5248"
    reading.skip()
    assert (meter(reading), reading.state.aside) == ("G5249", "")


@pytest.mark.parametrize("command", ["skip", "correct"])
def test_what_stands_in_a_field_is_not_lost_by_going_elsewhere(reading, command):
    reading.edit("reading", "59")
    getattr(reading, command)()
    assert (meter(reading), reading.state.typed.reading) == ("G5248", "59")
    assert reading.state.faults == {"reading": "Submit this first, or empty the field"}


def test_what_is_left_is_shown_and_a_meter_found_is_read_at_once(reading, desk):
    reading.look()
    assert (reading.state.dialog, reading.state.focus, found(reading)) == (Dialog.FIND, "sought", ["G5248", "G5249"])
    reading.edit("sought", "xyz")
    reading.search()
    assert (found(reading), reading.state.faults) == ([], {"sought": "There is no such meter to be read"})
    reading.edit("sought", "49")
    reading.search()
    reading.take(reading.state.found.stops[0])
    assert (meter(reading), reading.state.aside, reading.state.dialog) == ("G5249", "You have chosen G5249", None)
    submit(reading, "8")
    assert meter(reading) == "G5248"
    assert kept(desk) == [("carol", "G5249", 8, True)]


def test_a_meter_that_somebody_else_has_cannot_be_chosen(reading, desk):
    adam = Reader(desk, "adam")
    assert adam.meter() == "G5249"
    reading.look()
    reading.edit("sought", "49")
    reading.search()
    reading.take(reading.state.found.stops[0])
    assert reading.state.faults == {"sought": "G5249 is with adam: choose another one"}
    reading.come_back()
    assert (meter(reading), reading.state.dialog, reading.state.focus) == ("G5248", None, "reading")


def test_the_device_is_handed_to_the_next_reader(reading, desk):
    submit(reading, "7")
    reading.edit("reading", "59")
    reading.log_out()
    assert reading.state.question.text == "Your reading of G5249 was not sent. Log out all the same?"
    reading.choose(0)
    assert reading.state.dialog is None
    reading.edit("reading", "")
    reading.log_out()
    assert (reading.state.dialog, reading.state.screen, reading.state.title) == (Dialog.LOGIN, Screen.WELCOME, "Meter")
    reading.edit("username", "adam")
    log_in(reading, "adam")
    assert meter(reading) == "G5249"
    submit(reading, "8")
    assert kept(desk) == [("carol", "G5248", 7, True), ("adam", "G5249", 8, True)]


def test_nothing_is_done_on_a_route_before_somebody_has_logged_in(presenter):
    before = presenter.state
    for command in (presenter.skip, presenter.correct, presenter.look, presenter.log_out):
        command()
    assert presenter.state is before


def test_whose_login_has_expired_goes_on_with_what_was_asked_for(reading, clock_of_today):
    clock_of_today.move(hours=13)
    reading.look()
    assert reading.state.dialog is Dialog.LOGIN
    log_in(reading)
    assert (reading.state.dialog, len(found(reading))) == (Dialog.FIND, 0)
