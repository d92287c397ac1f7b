"""Words that begin with a slash, at the prompts of the console."""

import io
import re
import sys
from datetime import date

import pytest
from conftest import make_job, make_place
from readers import readings_in
from servers import fill

from metermt.client.client import connect
from metermt.console.dialogue import read_meters
from metermt.console.reasons import Reasons
from metermt.errors import CallError, SettingError
from metermt.fieldnotes import Reason
from metermt.rules.habits import Habit
from metermt.rules.limits import JobLimits, Limits
from metermt.store.sqlite.store import SqliteStore

HILL = [make_job(f"H{n}", route="Hill", sequence=n, address=f"{n} Hill Road") for n in (1, 2, 3)]
VALE = make_job("V17", route="Vale", sequence=5, address="8 Vale Lane")


@pytest.fixture
def server(serve, database_path, demo_accounts):
    """A server with two routes."""
    with SqliteStore(database_path) as store:
        store.write(
            lambda tx: tx.places.put([make_place("H1", "Hill"), make_place("H2", "Hill"), make_place("V17", "Vale")])
        )
        fill(store, demo_accounts, [*HILL, VALE])
    return serve(database_path)


@pytest.fixture
def said(server, monkeypatch):
    """Answer each question of a console in turn; return what it has said after the login.

    Carol is logged in at the first question. What is to happen `meanwhile` is told each line as it is read.
    """

    def say(*answers, before=(), meanwhile=lambda _line: None):
        class File(io.TextIOWrapper):
            def readline(self, *_size):
                line = super().readline()
                meanwhile(line)
                return line

        lines = "".join(f"{line}\n" for line in (*before, "carol", "carol", *answers))
        screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", File(io.BytesIO(lines.encode()), encoding="utf-8"))
        monkeypatch.setattr(sys, "stdout", screen)
        read_meters(lambda: connect(port=server.port))
        screen.flush()
        return screen.buffer.getvalue().decode().partition("to Meter RPYC\n")[2]

    return say


def kept(database_path):
    with SqliteStore(database_path) as store:
        return [(one.username, one.answer.meter, one.answer.value, one.counts) for one in readings_in(store)]


def test_a_meter_is_skipped_and_comes_again_at_the_end_of_the_route(said):
    seen = said("/skip", "2", "/where", "3", "/skip")
    assert seen == (
        "Route Hill, stop 1: 1 Hill Road\nReading for meter H1: /skip\nSkipped H1.\n"
        "Route Hill, stop 2: 2 Hill Road\nReading for meter H2: 2\nAccepted: you have read 1 out of 1 readings\n"
        "Route Hill, stop 3: 3 Hill Road\nReading for meter H3: /where\nRoute Hill: 1 of 3, 1 skipped\n"
        "Reading for meter H3: 3\nAccepted: you have read 2 out of 2 readings\n"
        "Route Hill, stop 1: 1 Hill Road\nReading for meter H1: /skip\n"
        "Skipped H1. It is all that is left for you now\n"
        "Route Hill, stop 1: 1 Hill Road\nReading for meter H1: \nGoodbye\n"
    )


def test_what_is_left_is_listed(said):
    seen = said("/skip", "/list")
    assert (
        "/list\nRoute Hill: 0 of 3, 1 skipped\n  Hill 2: H2, 2 Hill Road, yours now\n  Hill 3: H3, 3 Hill Road\n"
        "  Hill 1: H1, 1 Hill Road, skipped\nReading for meter H2: "
    ) in seen


def test_a_meter_is_found_and_read_out_of_turn(said, database_path):
    seen = said(
        "/find 17", "/find  vale LANE", "/find 99", "/read road", "/read v17", "", "", "/read 17", "5", "/find 17"
    )
    line = "  Vale 5: V17, 8 Vale Lane"
    assert f"/find 17\n{line}\nReading for meter H1: /find  vale LANE\n{line}\n" in seen
    assert "/find 99\nNo meter that is to be read has “99” in its number or address\n" in seen
    assert "/read road\n   1  Hill 1: H1, 1 Hill Road, yours now\n   2  Hill 2: H2, 2 Hill Road\n" in seen
    assert "Reading for meter V17: \nReason for meter V17: \nRoute Hill, stop 1: 1 Hill Road\n" in seen
    assert seen.count("Route Vale, stop 5: 8 Vale Lane\nReading for meter V17: ") == 2
    assert f"{line}, read by you\n" in seen
    assert kept(database_path) == [("carol", "V17", 5, True)]


def test_a_meter_that_another_reader_has_is_not_read_but_shown(said):
    seen = said("/logout", "adam", "adam", "4", "/logout", "eric", "eric", "/read v17", "/read h1")
    assert "/read h1\nH1 is read by adam: choose another one\nReading for meter V17: " in seen


def test_of_several_meters_that_are_meant_one_is_chosen(server, open_console):
    terminal = open_console(server)
    terminal.log_in()
    terminal.answer("Reading for meter H1: ", "/read road")
    terminal.wait_for("   1  Hill 1: H1, 1 Hill Road, yours now\r\n   2  Hill 2: H2, 2 Hill Road\r\n   3  Hill 3: H3")
    terminal.answer("Which one, 1 to 3? Enter for none: ", "4")
    terminal.wait_for("“4” is none of them")
    terminal.answer("Which one, 1 to 3? Enter for none: ", "4" * 4_301)
    terminal.wait_for("…” is none of them")
    terminal.answer("Which one, 1 to 3? Enter for none: ", "")
    terminal.answer("Reading for meter H1: ", "/read road", "Which one", "2")
    assert terminal.meter() == "H2"


def test_the_last_reading_is_corrected_and_the_one_before_it(said, database_path):
    seen = said("11", "", "Dog", "/undo", "/undo", "111", "/undo", "", "", "/undo", "/undo", "/undo")
    assert re.search(r"/undo\nH2: you sent “Dog”, read \d{4}-\d\d-\d\d \d\d:\d\d\. Type it anew", seen)
    assert (
        "Type it anew, or Enter twice:\nRoute Hill, stop 2: 2 Hill Road\nReading for meter H2: /undo\nH1: you sent 11"
        in seen
    )
    assert "Reading for meter H1: 111\nAccepted: you have read 2 out of 2 readings\nRoute Hill, stop 3" in seen
    assert "H1: you sent 111, read " in seen
    assert "Reason for meter H1: \nRoute Hill, stop 3: 3 Hill Road\n" in seen
    assert seen.endswith(
        "/undo\nThere is nothing before that which can be corrected\nReading for meter H2: \nGoodbye\n"
    )
    assert kept(database_path) == [
        ("carol", "H1", 11, False),
        ("carol", "H1", 111, True),
        ("carol", "H2", None, True),
    ]


def test_who_has_read_nothing_has_nothing_to_correct(said):
    assert "/undo\nYou have read nothing that can be corrected\nReading for meter H1: " in said("/undo")


def test_the_device_is_handed_to_the_next_reader(said, database_path):
    seen = said("1", "/logout", "adam", "adam", "2")
    assert "/logout\nLogged out: the next reader can log in\nUsername: adam\nPassword: \nWelcome, Adam Ong" in seen
    assert kept(database_path) == [("carol", "H1", 1, True), ("adam", "H2", 2, True)]


def test_an_unknown_word_is_no_reading_and_no_reason(said, database_path):
    seen = said("/foo 7", "", "/bar", "/HELP")
    assert "There is no word “/foo”: /help lists them\nReading for meter H1: \n" in seen
    assert "Reason for meter H1: /bar\nThere is no word “/bar”: /help lists them\nReading for meter H1: /HELP\n" in seen
    assert "  /find TEXT           find meters by a part" in seen
    assert all(len(line) < 80 for line in seen.splitlines() if line.startswith("  /"))
    assert kept(database_path) == []


def test_a_word_that_cannot_be_done_says_why_and_the_reading_is_asked_for_again(said):
    seen = said("1", "/find")
    assert "/find\nSay what to look for" in seen
    assert seen.endswith("Reading for meter H2: \nGoodbye\n")


def test_who_would_skip_a_meter_that_is_not_theirs_to_read_any_more_is_told_so_and_goes_on(said, database_path):
    def remove_the_first_job(line):
        if line == "/skip\n":
            with SqliteStore(database_path) as store:
                store.write(lambda tx: tx.jobs.remove(one.job for one in tx.rounds.standings(["H1"])))

    seen = said("/skip", "2", "/undo", "/skip", meanwhile=remove_the_first_job)
    gone = "Unknown meter 'H1' in cycle '2026-11': check the number on the meter"
    assert f"/skip\n{gone}\nRoute Hill, stop 2: 2 Hill Road\nReading for meter H2: 2\n" in seen
    assert "/skip\nYou have read meter H2 this cycle\nRoute Hill, stop 3: 3 Hill Road\nReading for meter H3: \n" in seen


# --- reasons


def reason(*typed, texts=("Refused entry", "No access", "Failed to find meter")):
    answers = iter(typed)
    known = [Reason(text.lower().replace(" ", "-"), text) for text in texts]
    return Reasons(lambda: known).ask(lambda: next(answers))


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        (("2", "2"), "No access"),
        (("2", "dog bites"), "dog bites"),
        (("no",), "no"),
        (("",), ""),
        (("?", "2"), "No access"),
        (("/reasons", "no"), "No access"),
        (("?", "?", "REF"), "Refused entry"),
        (("?", "Dog bites"), "Dog bites"),
        (("?", ""), ""),
    ],
)
def test_a_reason_is_chosen_once_they_were_listed(typed, taken):
    assert reason(*typed) == taken


def test_a_reading_that_is_typed_as_a_reason_leads_back_to_the_reading(said, database_path):
    seen = said("", "5983", "5983", "5983")
    assert "Reason for meter H1: 5983\n   1  No access\n" in seen
    assert "Reason for meter H1: 5983\nThere is no reason “5983”: use 1 to 13\nReading for meter H1: 5983\nAcc" in seen
    assert kept(database_path) == [("carol", "H1", 5983, True)]


def test_reasons_that_begin_alike_are_named(capsys):
    texts = ("Locked gate", "Locked door", "Locked")
    assert reason("?", "lock", "locked g", texts=texts) == "Locked gate"
    assert (
        "“lock” may be “Locked gate” or “Locked door” or “Locked”: type more of it, or its number"
        in capsys.readouterr().out
    )
    assert reason("?", "locked", texts=texts) == "Locked"


def test_a_listed_reason_is_sent_by_its_number(said, database_path):
    seen = said("", "?", "1")
    assert "Reason for meter H1: ?\n   1  No access\n   2  Locked gate\n" in seen
    assert "Reason for meter H1: 1\nReason: No access\nAccepted: you have read 1" in seen
    with SqliteStore(database_path) as store:
        assert [(one.answer.reason, one.code) for one in readings_in(store)] == [("No access", "no-access")]


def test_a_note_is_left_for_the_next_reader_and_a_meter_that_is_found_is_reported(said, database_path):
    seen = said("/note two dogs", "/found w99 behind the shed", "/found", "/skip")
    assert "/note two dogs\nNoted for H1\n" in seen
    assert "/found w99 behind the shed\nReported W99 to the office\n" in seen
    assert "/found\nSay which meter and where it is, such as /found W99 behind the shed\n" in seen
    with SqliteStore(database_path) as store:
        assert [note.text for note in store.read(lambda tx: tx.notes.all(9))] == ["two dogs"]
        assert [one.number for one in store.read(lambda tx: tx.finds.undecided(9))] == ["W99"]


def test_a_meter_that_was_exchanged_is_told_and_read_and_nothing_typed_is_lost(said, database_path):
    told = ("/exchanged", "h2", "99", "7", "6x", "6", "")
    seen = said(*told, "/exchanged", "n1", "", "", "", "", "12", "/exchanged", "N2", "", "", "", "2020-02-30", "", "")
    assert "'6x' is not a whole number\nDigits on its register [5]: 6\n" in seen
    refused = "Meter H2 hangs on route 'Hill': check the number of the new device\nReading for meter H1: "
    assert f"What you typed is kept: say /exchanged again, and Enter takes it\n{refused}" in seen
    again = "Number of the new meter [h2]: n1\nLast value of H1, - if nobody knows it [99]: \n"
    assert f"{again}First value of the new one [7]: \nDigits on its register [6]: \n" in seen
    assert "N1 hangs here now: read it\nRoute Hill, stop 1\nReading for meter N1: 12\nAccepted" in seen
    assert "Invalid day '2020-02-30': type it like 20" in seen
    assert "Noted for the office, as the last value is not known. Send a reason for H2 now\n" in seen
    with SqliteStore(database_path) as store:
        (exchange,) = store.read(lambda tx: tx.devices.all_exchanges(9, 0))
        assert (exchange.old_meter, exchange.final, exchange.new_meter, exchange.initial) == ("H1", 99, "N1", 7)
        (note,) = store.read(lambda tx: tx.notes.all(9))
    assert note.text.endswith(" for N2, which showed 0 first, 5 digits; what H2 showed last is not known")
    assert kept(database_path) == [("carol", "N1", 12, True)]


def test_what_a_reader_has_typed_of_an_exchange_is_not_offered_to_the_next_one(said):
    told = ("/exchanged", "h2", "99", "", "", "")
    seen = said(*told, "/logout", "adam", "adam", "/exchanged", "", "5")
    assert "Route Hill, stop 1: 1 Hill Road\nReading for meter H1: /exchanged\nNumber of the new meter: \n" in seen
    assert seen.count("Reading for meter H1: 5\nAccepted") == 1


@pytest.fixture
def usual(server, database_path):
    """What the first two meters of the hill usually use."""
    limits = JobLimits(Limits(60, date(2026, 10, 20), Habit(0.0, 0.2))).as_text()
    with SqliteStore(database_path) as store:
        store.write(lambda tx: tx.jobs.set_limits({one.job: limits for one in tx.rounds.standings(["H1", "H2"])}))


def test_a_last_value_that_is_odd_is_asked_about_before_an_exchange_is_told(said, usual, database_path):
    told = ("n1", "9999", "0", "5", "")
    seen = said("/read h2", "/exchanged", *told, "n", "/exchanged", "", "9998", "", "", "", "y")
    question = "is high for H2, a use of {}. Is that what the old meter showed? [y/N]: "
    kept = "Nothing was told. What you typed is kept: say /exchanged again, and type the last value anew\n"
    assert f"9999 {question.format(9939)}n\n{kept}" in seen
    assert f"9998 {question.format(9938)}y\nN1 hangs here now: read it\n" in seen
    with SqliteStore(database_path) as store:
        (exchange,) = store.read(lambda tx: tx.devices.all_exchanges(9, 0))
    assert (exchange.old_meter, exchange.final, exchange.username) == ("H2", 9998, "carol")


@pytest.mark.parametrize("line", ["12", ""])
def test_a_file_without_an_answer_to_that_question_ends_there_and_no_line_is_taken_for_another_meter(
    said, usual, database_path, line
):
    words = f"^“{line}” is neither y nor n: write one before it. Nothing after it was taken$"
    with pytest.raises(SettingError, match=words):
        said("/exchanged", "n1", "9999", "", "", "", line, "13")
    with SqliteStore(database_path) as store:
        assert store.read(lambda tx: tx.devices.all_exchanges(9, 0)) == []
    assert kept(database_path) == []


@pytest.mark.parametrize("line", ["13", "", "/skip"])
def test_a_file_that_does_not_have_an_odd_reading_twice_ends_there_and_no_line_is_taken_for_another_meter(
    said, usual, database_path, line
):
    words = f"^“{line}” is not 9999 for meter H1 once more: write that twice. Nothing after it was taken$"
    with pytest.raises(SettingError, match=words):
        said("9999", line, "14")
    assert kept(database_path) == []


def test_an_odd_reading_that_a_file_has_twice_is_taken(said, usual, database_path):
    said("9999", "9999")
    assert kept(database_path) == [("carol", "H1", 9999, True)]


def test_a_last_value_that_was_typed_before_is_taken_back_with_a_dash(said, database_path):
    seen = said("/exchanged", "h2", "99", "", "", "", "/exchanged", "n1", "-", "", "", "")
    assert "Last value of H1, - if nobody knows it [99]: -\nFirst value" in seen
    assert "Noted for the office, as the last value is not known. Send a reason for H1 now\n" in seen
    with SqliteStore(database_path) as store:
        assert store.read(lambda tx: tx.devices.all_exchanges(9, 0)) == []


def test_who_tells_of_an_exchange_at_a_meter_read_out_of_turn_reads_what_hangs_there_and_then_goes_back(
    said, database_path
):
    told = ("/exchanged", "n1", "99", "", "", "")
    seen = said("/read v17", *told, "12", "/read h2", "/exchanged", "n2", "", "", "", "", "", "Dog", "", "")
    assert "N1 hangs here now: read it\nRoute Vale, stop 5\nReading for meter N1: 12\nAccepted" in seen
    assert "Send a reason for H2 now\nRoute Hill, stop 2: 2 Hill Road\nExchanged on " in seen
    assert "not known\nReading for meter H2: \nReason for meter H2: Dog\nAccepted" in seen
    assert seen.endswith("Reading for meter H1: \nReason for meter H1: \n")
    assert kept(database_path) == [("carol", "H2", None, True), ("carol", "N1", 12, True)]


# --- when all is read


def test_the_last_reading_of_a_round_is_corrected_by_who_has_said_a_word_before(said, database_path):
    seen = said("1", "2", "3", "/find 17", "4", "/skip", "/undo", "40", "/foo", "")
    end = "All jobs are done.\nEnter leaves, /undo corrects your last reading: "
    assert f"{end}/skip\nYou are at no meter now: /find looks for one, /read and /undo go to one\n" in seen
    assert "/undo\nV17: you sent 4, read " in seen
    assert seen.endswith(
        f"Accepted: you have read 4 out of 4 readings\n{end}/foo\n"
        "There is no word “/foo”: /help lists them\nEnter leaves, /undo corrects your last reading: \n"
    )
    assert kept(database_path)[-2:] == [("carol", "V17", 4, False), ("carol", "V17", 40, True)]


def test_who_has_left_after_the_last_reading_comes_back_and_says_a_word_instead_of_a_name(said, database_path):
    assert said("1", "2", "3", "4").endswith("out of 4 readings\nAll jobs are done.\n")
    assert said(before=("/undo",)).endswith(
        "All jobs are done.\nEnter leaves, /undo corrects your last reading: \nGoodbye\n"
    )
    said("/undo", "40", "", before=("/undo",))
    assert kept(database_path)[-1] == ("carol", "V17", 40, True)


def test_reasons_that_the_server_does_not_tell_are_the_usual_ones(capsys):
    def unknown():
        raise CallError("There is no call list_reasons")

    typed = iter(("?", "2"))
    assert Reasons(unknown).ask(lambda: next(typed)) == "Locked gate"
    assert "There is no call list_reasons\nThe office's list cannot be had now." in capsys.readouterr().out
