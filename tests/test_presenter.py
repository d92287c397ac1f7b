"""What the window does, without a window: a real server, and calls that are run at once."""

from dataclasses import replace

import pytest
from clients import ends_after
from conftest import import_jobs, make_job
from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import AtOnce, log_in, submit
from readers import as_office, readings_in

from metermt.calls import accounts
from metermt.client.client import connect
from metermt.errors import ServerLost, StoreAway
from metermt.gui.opening import Opening
from metermt.gui.presenter import Presenter
from metermt.gui.state import Dialog, Screen
from metermt.gui.typed import Typed
from metermt.model import Status


def test_an_opened_window_asks_who_is_there(presenter):
    assert presenter.state.dialog is Dialog.LOGIN
    assert (presenter.state.typed.username, presenter.state.focus) == ("carol", "password")
    assert not presenter.state.can_log_in


def test_a_window_at_the_wrong_port_tells_what_may_be_wrong(server):
    with pytest.raises(ServerLost, match=r"or it hangs\. What answers at that address does not speak HTTP: check the"):
        Opening(lambda: connect(f"http://localhost:{server.port}")).reach()


def test_a_login_brings_the_first_meter_and_forgets_the_password(reading):
    state = reading.state
    assert (state.dialog, state.screen, state.job.meter.number) == (None, Screen.READING, "G5248")
    assert (state.title, state.status, state.typed.password) == ("Meter — Carol Dent", Status(0, 0), "")


def test_a_window_that_is_closed_waits_a_second_for_a_server_that_says_nothing(reading, proxy):
    reading._client.timeout = 10
    with proxy.deaf(), ends_after(1.0):
        reading.farewell()


def test_a_wrong_password_is_blamed_emptied_and_asked_for_again(presenter):
    log_in(presenter, "wrong")
    assert presenter.state.faults == {"password": "Invalid username or password"}
    assert (presenter.state.typed.password, presenter.state.focus) == ("", "password")


@pytest.mark.parametrize(
    ("reading", "reason", "answer"),
    [
        ("", "Read", None),
        ("", "", None),
        ("", " read ", None),
        ("0", "Read", (0, "")),
        ("17", "", (17, "")),
        ("", "No access", (None, "No access")),
        ("17", "lid broken", (17, "lid broken")),
        (" 05983 ", "Read", (5983, "")),
        ("1234.5", "Read", ("1234.5", "")),
    ],
)
def test_an_answer_is_a_reading_or_a_reason_or_both(reading, reason, answer):
    assert Typed(reading=reading, reason=reason).answer == answer


def test_nothing_is_submitted_without_an_answer(reading, manager):
    submit(reading)
    assert not reading.state.can_submit
    assert readings_in(manager.desk.store) == []


def test_an_accepted_reading_brings_the_next_meter_and_empties_the_fields(reading):
    submit(reading, "5983", "lid broken")
    state = reading.state
    assert (state.notice, state.job.meter.number, state.status) == ("Accepted 5983 for G5248", "G5249", Status(1, 1))
    assert (state.typed.reading, state.typed.reason, state.focus) == ("", "Read", "reading")


def test_after_the_last_reading_all_is_done_until_there_is_more(reading, manager):
    submit(reading, "1")
    submit(reading, reason="No access")
    assert (reading.state.screen, reading.state.notice) == (Screen.DONE, "Accepted “No access” for G5249")
    import_jobs(manager.desk.store, "2026-11", [make_job("G5250")])
    reading.retry()
    assert (reading.state.screen, reading.state.job.meter.number) == (Screen.READING, "G5250")


def test_who_has_no_job_is_told_why(presenter, manager):
    manager.desk.store.write(lambda tx: tx.cycles.close("2026-11"))
    log_in(presenter)
    assert (presenter.state.screen, presenter.state.end) == (Screen.DONE, "No cycle is open.")


def test_who_has_read_their_last_job_is_told_who_has_the_rest(reading, manager):
    session, _ = manager.login("adam", "adam")
    manager.next_job(session)
    submit(reading, "1")
    assert (reading.state.screen, reading.state.end) == (
        Screen.DONE,
        "1 job is left, with another reader: 1 with adam.\nJobs done: 1 by you, 1 by all readers, of 2.",
    )
    tally = "Jobs done: 1 by you, 1 by all readers, of 2."
    assert reading.state.ending == ("1 job is left, with another reader", f"1 with adam.\n{tally}")
    assert replace(reading.state, end=f"All jobs are done.\n{tally}").ending == ("All jobs are done", tally)
    assert replace(reading.state, end="All jobs are done.").ending == ("All jobs are done", "")


def test_a_refused_reading_stays_and_is_blamed_until_it_is_changed(reading):
    submit(reading, "598312")
    assert "too long" in reading.state.faults["reading"]
    assert (reading.state.typed.reading, reading.state.focus) == ("598312", "reading")
    reading.edit("reading", "59831")
    assert not reading.state.faults


@pytest.mark.parametrize(
    ("reason", "choice", "sent"),
    [
        ("No access", 1, [("G5248", 5983, "")]),
        ("no access, dog loose", 2, [("G5248", None, "no access, dog loose")]),
        ("Refused entry", 0, []),
    ],
)
def test_a_reading_with_a_reason_why_there_is_none_is_asked_about(reading, manager, reason, choice, sent):
    submit(reading, "5983", reason)
    assert f"a reading, 5983, and “{reason}”, which says that there is none" in reading.state.question.text
    assert readings_in(manager.desk.store) == []
    reading.choose(choice)
    assert reading.state.question is None
    kept = [record.answer for record in readings_in(manager.desk.store)]
    assert [(answer.meter, answer.value, answer.reason) for answer in kept] == sent
    if not sent:
        assert (reading.state.typed.reading, reading.state.typed.reason) == ("5983", reason)


def test_a_reading_below_zero_is_not_dropped_for_a_reason(reading):
    submit(reading, "-77", "lid broken")
    assert "a reading, -77, and “lid broken”" in reading.state.question.text
    reading.choose(1)
    assert "-77 is below zero" in reading.state.faults["reading"]


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("1234.5", "Invalid reading: '1234.5' is not a whole number"),
        ("12 345", "Invalid reading: '12 345' is not a whole number"),
        ("5983q", "Invalid reading: '5983q' is not a whole number"),
        ("1" * 21, f"Invalid reading: {'1' * 21!r} is not a whole number"),
        ("-77", "Invalid reading: -77 is below zero; give a reason if there is none"),
    ],
)
def test_what_is_no_whole_number_is_not_sent_and_stays_as_it_was_typed(reading, manager, typed, fault):
    submit(reading, typed)
    assert reading.state.faults == {"reading": fault}
    assert (reading.state.typed.reading, reading.state.focus) == (typed, "reading")
    assert readings_in(manager.desk.store) == []


def test_a_refused_reason_is_blamed(reading):
    submit(reading, reason="x" * 501)
    assert "501 characters" in reading.state.faults["reason"]


def test_a_meter_that_somebody_else_has_read_is_left_with_a_word(reading, manager, clock_of_today):
    clock_of_today.move(minutes=31)  # the lease has ended
    session, _ = manager.login("adam", "adam")
    manager.submit_reading(session, "G5248", clock_of_today.now, 7)
    submit(reading, "5983")
    reading.choose(1)  # throw it away
    assert reading.state.faults == {"meter": "Meter G5248 was already read this cycle by adam"}
    assert (reading.state.job.meter.number, reading.state.typed.reading) == ("G5249", "")


def test_a_refused_reading_and_refused_keys_are_both_told(reading, monkeypatch):
    client = reading._connected
    real = client.submit_and_next
    monkeypatch.setattr(client, "submit_and_next", lambda answer: (reading.refuse_key(), real(answer))[1])
    submit(reading, "598312")
    assert "too long" in reading.state.faults["reading"]
    assert "was not taken. Press Enter" in reading.state.faults["reading"]
    assert not reading.state.can_submit
    reading.unlock()
    assert (reading.state.can_submit, reading.state.typed.reading) == (True, "598312")


def test_retry_sends_what_was_sent_also_if_keys_were_refused_meanwhile(reading, monkeypatch):
    client = reading._connected
    real = client.submit_and_next

    def lose(_answer):
        reading.refuse_key()
        raise ServerLost("It is gone")

    monkeypatch.setattr(client, "submit_and_next", lose)
    submit(reading, "5983")
    monkeypatch.setattr(client, "submit_and_next", real)
    reading.retry()
    assert reading.state.notice == "Accepted 5983 for G5248"


def test_keys_that_were_refused_at_the_last_reading_lock_nothing(reading, manager, monkeypatch):
    client = reading._connected
    real = client.submit_and_next
    submit(reading, "1")
    monkeypatch.setattr(client, "submit_and_next", lambda answer: (reading.refuse_key(), real(answer))[1])
    submit(reading, "2")
    assert (reading.state.screen, reading.state.keys_refused) == (Screen.DONE, False)


def test_an_answer_that_was_lost_is_sent_again_under_its_key(reading, proxy, manager):
    proxy.lost_answers = 1
    submit(reading, "5983")
    assert reading.state.notice == "Accepted 5983 for G5248"
    assert len(readings_in(manager.desk.store)) == 1


@pytest.mark.parametrize("lost", [ServerLost, StoreAway])
def test_a_correction_before_retry_is_a_submission_of_its_own(reading, manager, monkeypatch, lost):
    sent = []
    client = reading._connected
    real = client.submit_and_next

    def unreachable(*args):
        sent.append(args)
        raise lost("The connection was lost")

    monkeypatch.setattr(client, "submit_and_next", unreachable)
    submit(reading, "5983")
    assert reading.state.can_retry
    assert "Your reading is kept" in reading.state.faults[""]
    reading.retry()
    reading.edit("reading", "5984")
    monkeypatch.setattr(client, "submit_and_next", lambda *args: (sent.append(args), real(*args))[1])
    reading.retry()
    first, again, corrected = sent
    assert first == again
    assert corrected[0].key != first[0].key
    assert reading.state.notice == "Accepted 5984 for G5248"


def test_an_expired_login_is_asked_for_again_and_the_submission_goes_on(reading, clock_of_today):
    clock_of_today.move(hours=13)
    submit(reading, "5983")
    assert (reading.state.dialog, reading.state.typed.reading) == (Dialog.LOGIN, "5983")
    assert "expired" in reading.state.hint
    log_in(reading)
    assert (reading.state.dialog, reading.state.notice) == (None, "Accepted 5983 for G5248")


def test_a_reader_who_is_disabled_is_told_so_at_work_and_at_login(reading, open_presenter, desk):
    as_office(desk, accounts.disable_user, accounts.Username("carol"))
    submit(reading, "5983")
    assert reading.state.dialog is None
    assert reading.state.faults[""].startswith(
        "Your account has been disabled: ask the office. Your reading is kept: Retry sends it again"
    )
    again = open_presenter()
    log_in(again)
    assert again.state.faults == {"password": "Your account has been disabled: ask the office"}


def test_a_server_that_is_not_there_can_be_tried_again():
    presenter = Presenter(Opening(lambda: connect("127.0.0.1", 1, timeout=1)), AtOnce())
    presenter.open()
    assert "Nobody answers at 127.0.0.1:1" in presenter.state.faults[""]
    assert (presenter.state.can_retry, presenter.state.focus) == (True, "retry")


@pytest.mark.parametrize(
    ("typed", "faults"),
    [
        (Typed(), set()),
        (Typed(username="Carol"), {"username"}),
        (Typed(full_name="  "), {"full_name"}),
        (Typed(password="seventeen", again="seven"), set()),
        (Typed(password="seventeen", again="sevenX"), {"again"}),
    ],
)
def test_the_fields_of_an_account_are_judged_as_they_are_typed(typed, faults):
    assert set(typed.account_faults) == faults
