"""An odd reading is asked about: in the console, in the window, and when it was kept."""

import io
import sys
from datetime import date, timedelta

import pytest
from presenter_fixtures import *  # noqa: F403 - the fixtures
from presenter_fixtures import log_in, submit
from readers import open_with_past, readings_in
from terminals import answers_of

from metermt.calls.desk import Desk
from metermt.client.client import connect
from metermt.console.offering import send
from metermt.console.terminal import Terminal
from metermt.errors import ConfirmReading
from metermt.gui.state import Screen
from metermt.manager import Manager
from metermt.store.memory.store import MemoryStore
from metermt.store.sqlite.store import SqliteStore

ODD, GOOD = 87_712, 1_144
"""Values of a meter that showed 1,132 last, and uses some 12 a month."""
ASKED = f"{ODD} is high for this meter: look at the meter again, and type what it shows"


def fill_town(store, accounts):
    """Two meters with a past of a year, and this month's cycle."""
    store.write(lambda tx: tx.accounts.put(accounts))
    open_with_past(Desk(store), {"G5248": 1_000, "G5249": 1_000}, first=date.today() - timedelta(days=360))
    return store


def kept(store):
    return [(one.answer.meter, one.answer.value, one.quality, one.flags) for one in readings_in(store)]


VERIFIED = ("G5248", ODD, "V", ("high",))


@pytest.fixture
def manager(demo_accounts, clock_of_today):
    return Manager(fill_town(MemoryStore(), demo_accounts), clock=clock_of_today)


@pytest.fixture
def town_console(servers, database_path, demo_accounts, open_console):
    """Open a console at a server of the town; carol logs in."""
    with SqliteStore(database_path) as store:
        fill_town(store, demo_accounts)
    server = servers.start("--database", database_path)

    def open_one():
        terminal = open_console(server)
        terminal.log_in()
        return terminal

    return open_one


def test_the_console_asks_for_an_odd_reading_once_more(town_console, database_path):
    terminal = town_console()
    assert terminal.meter() == "G5248"
    terminal.type(str(ODD))
    terminal.wait_for(f"\r\n{ASKED}\r\n")
    assert terminal.meter() == "G5248"
    terminal.type(str(ODD))
    terminal.wait_for("Accepted: you have read 1 out of 1 readings")
    assert terminal.meter() == "G5249"
    terminal.type(str(ODD + 1))
    terminal.wait_for("look at the meter again")
    terminal.answer("Reading for meter G5249", str(GOOD))
    assert terminal.end() == 0
    with SqliteStore(database_path) as store:
        assert kept(store) == [VERIFIED, ("G5249", GOOD, "A", ())]


def test_an_odd_reading_that_is_not_typed_again_is_kept_and_offered(town_console, database_path):
    terminal = town_console()
    terminal.answer("Reading for meter G5248", str(ODD))
    terminal.wait_for(ASKED)
    terminal.answer("Reading for meter G5248", "", "Reason for meter", "")
    terminal.wait_for(f"Your reading {ODD} for meter G5248 is kept on this device")
    assert terminal.end() == 0

    terminal = town_console()
    terminal.answer("Send it now? [Y/n]: ", "y", "Reading for meter G5248", "", "Throw away", "n")
    terminal.wait_for("It is kept on this device")
    terminal.close()
    assert answers_of(database_path) == []

    terminal = town_console()
    terminal.answer("Send it now? [Y/n]: ", "y", "Reading for meter G5248", str(ODD))
    terminal.wait_for(f"Accepted: {ODD} for meter G5248")
    assert terminal.meter() == "G5249"
    with SqliteStore(database_path) as store:
        assert kept(store) == [VERIFIED]


def test_an_odd_reading_that_is_left_for_another_meter_may_be_thrown_away_then_or_at_the_next_login(
    town_console, database_path
):
    terminal = town_console()
    for answer in ("", "y"):
        number = terminal.meter()
        terminal.answer("", str(ODD + 1), "Reading for meter", str(ODD), "Reading for meter", "/skip")
        terminal.answer(f"Skipped {number}.\r\nThrow away your reading {ODD} for meter {number}? [y/N]: ", answer)
    terminal.meter()
    terminal.close()

    terminal = town_console()
    terminal.wait_for(f"A reading that you typed here is not confirmed:\r\n  {ODD} for meter G5248, ")
    terminal.answer("Send it now? [Y/n]: ", "n", "Throw away your reading 87712 for meter G5248? [y/N]: ", "y")
    terminal.meter()
    terminal.close()
    town_console().meter()
    assert answers_of(database_path) == []


def test_the_window_empties_the_field_and_asks_for_it_once_more(reading, manager):
    submit(reading, str(ODD))
    assert (reading.state.faults, reading.state.typed.reading, reading.state.focus) == (
        {"reading": ASKED},
        "",
        "reading",
    )
    reading.leave()
    assert reading.state.question.text.startswith("Your reading of G5248 is not confirmed. It is kept")
    reading.choose(0)
    submit(reading, str(ODD))
    assert reading.state.notice == f"Accepted {ODD} for G5248"
    submit(reading, str(GOOD))
    assert reading.state.screen is Screen.DONE
    assert kept(manager.desk.store) == [VERIFIED, ("G5249", GOOD, "A", ())]


def test_an_odd_reading_that_is_left_in_the_window_may_be_thrown_away_then_or_at_the_next_login(
    reading, open_presenter
):
    submit(reading, str(ODD + 1))
    submit(reading, str(ODD))
    reading.skip()
    assert reading.state.question.text == f"{ODD} for G5248 was not taken.\nKeep it, to be asked again at a login?"
    reading.choose(0)
    assert (reading.state.job.meter.number, reading.state.notice) == ("G5249", "Skipped G5248")
    submit(reading, str(ODD))
    reading.skip()
    reading.choose(1)
    assert [answer.meter for answer in reading._connected.outbox.unconfirmed()] == ["G5248"]

    log_in(again := open_presenter())
    assert again.state.question.text == f"Your reading of G5248, {ODD}, was kept here and is not confirmed."
    again.choose(2)
    assert again.state.question.text == f"Throw away {ODD} for G5248? It cannot be had back."
    again.choose(1)
    log_in(again := open_presenter())
    assert again.state.question is None


@pytest.mark.parametrize("trouble", ["closed", "future"])
def test_a_value_that_was_asked_about_goes_in_the_window_with_another_one_in_its_place_also_if_that_is_refused(
    reading, manager, clock_of_today, trouble
):
    cycle = reading.state.job.cycle
    submit(reading, str(ODD))
    if trouble == "closed":
        manager.desk.store.write(lambda tx: tx.cycles.close(cycle))
    else:
        clock_of_today.move(hours=-48)
    submit(reading, str(GOOD))
    assert reading.state.question.asking.heading == "Refused"
    assert [answer.value for answer in reading._connected.outbox.unconfirmed()] == [GOOD]
    reading.choose(1)
    ended = []
    reading.ended = lambda: ended.append(True)
    reading.edit("reading", "")
    reading.leave()
    assert ended, "nothing is left to ask about"


def test_what_was_asked_of_one_reader_is_kept_for_them_when_another_logs_in(reading):
    submit(reading, str(ODD))
    reading.edit("username", "adam")
    log_in(reading, "adam")
    assert "G5248 by Carol Dent was not sent. It is kept here" in reading.state.faults[""]


def test_an_odd_reading_that_is_sent_again_and_then_thrown_away_is_kept_no_more_by_the_console(
    proxy, manager, tmp_path, monkeypatch
):
    with connect(port=proxy.port, outbox=tmp_path) as carol:
        carol.login("carol", "carol")
        cycle = carol.get_job().cycle
        with pytest.raises(ConfirmReading):
            carol.submit_reading("G5248", ODD, cycle=cycle)

        def ask(question):
            if question.startswith("Throw away"):
                return "y"
            manager.desk.store.write(lambda tx: tx.cycles.close(cycle))
            return str(ODD)

        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        monkeypatch.setattr(person := Terminal(), "ask", ask)
        person.is_person = True
        send(carol, person, carol.outbox.unconfirmed())
        assert carol.outbox.unconfirmed() == []


def test_an_odd_reading_that_is_sent_again_and_then_thrown_away_is_kept_no_more_by_the_window(
    reading, open_presenter, manager
):
    cycle = reading.state.job.cycle
    submit(reading, str(ODD))
    log_in(again := open_presenter())
    again.choose(0)
    manager.desk.store.write(lambda tx: tx.cycles.close(cycle))
    again.choose(1)
    assert again.state.question.asking.heading == "Refused"
    again.choose(1)
    assert again._connected.outbox.unconfirmed() == []


def test_the_window_sends_an_odd_reading_that_was_kept_again_if_its_reader_is_sure(reading, open_presenter, manager):
    submit(reading, str(ODD))
    log_in(again := open_presenter())
    again.choose(0)
    assert again.state.question.asking.heading == "Is it right?"
    assert again.state.question.text.startswith(f"Reading {ODD} for meter G5248 is high: look again and send it again.")
    again.choose(1)
    assert (again.state.question, again.state.notice) == (None, f"Accepted {ODD} for G5248")
    assert kept(manager.desk.store) == [VERIFIED]
    assert again.state.job.meter.number == "G5249"
    log_in(last := open_presenter())
    assert last.state.question is None
