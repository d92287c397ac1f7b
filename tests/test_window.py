"""The window, on a real screen, used with the keyboard as a reader would."""

import signal
import time
from itertools import pairwise

from conftest import wait_until
from window_fixtures import *  # noqa: F403 - the fixtures
from window_fixtures import JOBS, give_up_after, opening_for, readings_in


def test_a_reader_logs_in_and_sees_the_first_meter(person):
    person.log_in()

    assert person.root.title() == "Meter — Carol Dent"
    for text in (
        "G5248",
        "2 Harbour Road",
        "Route Harbour, stop 10 · gas meter",
        "Ring twice. Dog in yard.",
        "Route Harbour: 0 of 3",
    ):
        assert text in person.texts()
    assert person.window.reading.reason.entry.get() == "Read"


def test_ok_is_enabled_when_both_fields_are_filled_and_the_password_is_not_shown(person):
    person.wait_until(lambda: person.focused == "password", "a password is asked for")
    assert not person.is_enabled("OK")
    person.type("x")
    assert person.is_enabled("OK")
    password = person.root.focus_get()
    assert (password.get(), str(password.cget("show"))) == ("x", "•")
    person.press("Alt-u", "BackSpace")
    assert not person.is_enabled("OK")


def test_a_wrong_password_is_told_in_the_dialog_and_can_be_typed_again(person):
    person.wait_until(lambda: person.focused == "password", "a password is asked for")
    person.type("wrong")
    person.press("Alt-o")
    person.wait_for("Invalid username or password")
    person.wait_until(lambda: person.focused == "password", "the password can be typed again")
    assert person.root.focus_get().get() == ""
    person.log_in()
    assert "Invalid username or password" not in person.texts()


def test_enter_submits_and_brings_the_next_meter(reader, database):
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")

    assert "G5249" in reader.texts()
    assert "Route Harbour: 1 of 3" in reader.texts()
    assert reader.focused == "reading"
    assert reader.root.focus_get().get() == ""
    assert readings_in(database) == [("G5248", 5983, "")]


def test_alt_and_a_letter_do_everything_and_control_a_selects_what_is_typed(reader, database):
    reader.press("Alt-e")
    assert reader.focused == "reason"
    reader.type("lid broken")
    reader.press("Alt-r")
    assert reader.focused == "reading"
    reader.type("5")
    reader.press("Control-a")
    reader.type("17")
    reader.press("Alt-s")
    reader.wait_for("Accepted 17 for G5248")
    assert readings_in(database) == [("G5248", 17, "lid broken")]
    reader.press("Alt-q")
    assert reader.window._closed


def test_tab_goes_from_field_to_field_to_button(reader):
    reader.type("1")
    seen = []
    for _ in range(7):
        seen.append(reader.focused)
        reader.press("Tab")
    assert seen == ["reading", "reason", "Submit", "Skip", "More", "Quit", "reading"]


def test_a_reason_alone_is_submitted_and_read_is_none(reader, database):
    assert not reader.is_enabled("Submit")
    reader.press("Alt-e", "Down", "Down", "Return")  # the list opens, and goes from Read to the next
    assert reader.window.reading.reason.entry.get() == "No access"
    assert reader.is_enabled("Submit")
    reader.press("Alt-s")
    reader.wait_for("Accepted “No access” for G5248")
    assert readings_in(database) == [("G5248", None, "No access")]
    assert reader.window.reading.reason.entry.get() == "Read"
    assert not reader.is_enabled("Submit")


def test_what_is_typed_as_a_reason_replaces_the_one_that_stands_there_by_itself(reader):
    entry = reader.window.reading.reason.entry
    x, y, width, _height = entry.bbox(3)
    for event in ("<Button-1>", "<ButtonRelease-1>"):  # behind its last letter
        entry.event_generate(event, x=x + width, y=y)
    entry.focus_set()
    assert entry.selection_get() == "Read"
    reader.type("Dog loose")
    assert entry.get() == "Dog loose"
    entry.set("Read")
    entry.selection_clear()
    entry.icursor("end")
    reader.type("Dog")
    assert entry.get() == "Dog"
    entry.set("No access")
    entry.icursor("end")
    reader.type(" today")
    assert entry.get() == "No access today"


def test_a_reading_with_no_access_is_asked_about_and_answered_with_the_keyboard(reader, database):
    reader.type("5983")
    reader.press("Alt-e")
    reader.type("No access")
    reader.press("Return")
    reader.wait_until(lambda: reader.focused == "Back", "the question has the keyboard")
    reader.see_everything()
    assert "You typed a reading, 5983, and “No access”, which says that there is none." in reader.texts()
    reader.press("Return")
    reader.wait_until(lambda: reader.focused == "reason", "the reason can be changed")
    reader.press("Return")
    reader.wait_until(lambda: reader.focused == "Back", "it is asked again")
    reader.press("Escape")
    reader.wait_until(lambda: reader.focused == "reason", "Escape goes back, too")
    assert readings_in(database) == []
    reader.press("Return")
    reader.wait_until(lambda: reader.focused == "Back", "it is asked once more")
    reader.press("Right", "Tab")
    assert reader.focused == "Send reason"
    reader.press("Left", "Return")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, "")]
    reader.type("17")
    reader.press("Alt-e")
    reader.type("No access")
    reader.press("Alt-s")
    reader.wait_until(lambda: reader.focused == "Back", "it is asked of every meter")
    reader.press("Alt-e")
    reader.wait_for("Accepted “No access” for G5249")
    assert readings_in(database)[1:] == [("G5249", None, "No access")]


def test_the_reading_is_kept_as_it_was_typed_and_submit_says_what_is_wrong_with_it(reader, database):
    entry = reader.window.reading.reading.entry
    for typed in ("1234.5", "-77", "a5b9 c8"):
        reader.type(typed)
        assert entry.get() == typed
        reader.press("Return")
        reader.wait_for(f"Invalid reading: {typed}" if typed == "-77" else f"'{typed}' is not a whole number")
        assert (entry.get(), reader.focused) == (typed, "reading")  # and selected, so that typing replaces it
    assert readings_in(database) == []


def test_a_reading_that_was_pasted_with_a_blank_in_it_is_kept_and_refused(reader, database):
    reader.root.clipboard_clear()
    reader.root.clipboard_append("12 345")
    reader.press("Control-v", "Return")
    reader.wait_for("Invalid reading: '12 345' is not a whole number")
    assert reader.window.reading.reading.entry.get() == "12 345"
    assert readings_in(database) == []


def test_a_refused_reading_stays_and_the_fault_is_told_below_it(reader, database):
    reader.type("5983123")
    reader.press("Return")
    reader.wait_for("5983123 is too long")

    field = reader.window.reading.reading
    assert "has 5 digits" in str(field.fault.cget("text"))
    assert field.fault.winfo_rooty() >= field.entry.winfo_rooty() + field.entry.winfo_height()
    assert (field.entry.get(), reader.focused) == ("5983123", "reading")
    reader.press("BackSpace")  # all is selected, so that it can be typed anew
    assert "5983123 is too long" not in " ".join(reader.texts())
    assert readings_in(database) == []


def test_when_all_is_read_the_window_says_so(reader):
    for _ in JOBS:
        reader.type("1")
        reader.press("Return")
        reader.wait_until(lambda: not reader.state.doing, "it is sent")
    reader.wait_for("All jobs are done")
    assert "Read 3/3" in reader.texts()
    assert reader.focused == "Retry"
    reader.press("Return")
    reader.wait_until(lambda: not reader.state.doing, "it has looked again")
    assert "All jobs are done" in reader.texts()


def test_a_reading_sent_again_to_a_server_that_came_back_counts_once(open_window, servers, database):
    server = servers.start("--database", database)
    reader = open_window(opening_for(server))
    reader.log_in()
    give_up_after(0.7, reader)
    server.kill()
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Your reading is kept")
    assert reader.window.reading.reading.entry.get() == "5983"

    servers.start("--database", database, port=server.port)
    give_up_after(10, reader)
    reader.press("Alt-t")
    reader.wait_until(lambda: reader.state.dialog or reader.state.notice, "the server has answered")
    reader.wait_for("Accepted 5983 for G5248")
    assert readings_in(database) == [("G5248", 5983, "")]
    assert "Retry" not in reader.texts()


def test_a_reading_whose_answer_was_lost_counts_once(open_window, server_process, database):
    reader = open_window(opening_for(server_process))
    reader.log_in()
    reader.type("17")
    reader.press("Return")
    reader.wait_for("Accepted 17 for G5248")
    give_up_after(0.7, reader)
    server_process.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Your reading is kept")
    server_process.send(signal.SIGCONT)
    wait_until(lambda: len(readings_in(database)) == 2, "the server has taken what was sent before")
    give_up_after(10, reader)
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5249")
    assert readings_in(database) == [("G5248", 17, ""), ("G5249", 5983, "")]


def test_the_window_lives_while_the_server_is_frozen_and_goes_on_when_it_wakes(reader, server_process):
    server_process.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    beats = [time.monotonic()]

    def beat():
        beats.append(time.monotonic())
        if "Accepted" not in reader.state.notice:
            reader.root.after(10, beat)

    beat()
    reader.wait_for("Waiting for the server…")
    reader.wait_until(lambda: len(beats) > 30, "thirty beats have passed")
    assert not reader.is_enabled("Submit")
    server_process.send(signal.SIGCONT)
    reader.wait_for("Accepted 5983 for G5248")
    assert max(later - earlier for earlier, later in pairwise(beats)) < 5  # on a busy machine; the call takes ten
    assert "Waiting for the server…" not in reader.texts()


def test_no_key_is_half_taken_while_a_reading_is_sent(reader, server_process, database):
    entry = reader.window.reading.reading.entry
    server_process.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return")
    assert entry.instate(["disabled"])
    reader.type("38")
    assert entry.get() == "5983"
    server_process.send(signal.SIGCONT)
    reader.wait_for("Accepted 5983 for G5248")
    reader.type("125")  # the rest of what was begun too early
    assert entry.get() == ""
    reader.wait_for("What you typed while the window was busy was not taken. Press Enter")
    assert not reader.is_enabled("Submit")
    assert entry.instate(["disabled", "!invalid"])  # else it would not look locked
    reader.see_everything()

    reader.press("Return")
    reader.wait_for("was not taken: type the whole reading")
    reader.type("38125")
    reader.press("Return")
    reader.wait_for("Accepted 38125 for G5249")
    assert readings_in(database) == [("G5248", 5983, ""), ("G5249", 38125, "")]


def test_a_second_enter_while_a_reading_is_sent_is_no_key_of_a_number(reader, server_process):
    server_process.send(signal.SIGSTOP)
    reader.type("5983")
    reader.press("Return", "Return", "Tab", "Shift-Tab")
    server_process.send(signal.SIGCONT)
    reader.wait_for("Accepted 5983 for G5248")
    reader.type("38125")
    assert reader.window.reading.reading.entry.get() == "38125"
