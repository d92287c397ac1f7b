"""The window on a route: skipping, finding and correcting, by the keyboard alone; all of it can be seen."""

import pytest
from window_fixtures import *  # noqa: F403 - the fixtures


@pytest.mark.parametrize("display", ["800x480"], indirect=True)
@pytest.mark.parametrize("zoom", [1.0, 2.0])
def test_a_route_is_worked_by_the_keyboard_alone_and_nothing_is_cut_off(person, zoom):
    person.window.theme.zoom_to(zoom)
    person.log_in()
    person.press("Alt-k")
    person.wait_for("Skipped G5248")
    person.see_everything()
    person.type("7")
    person.press("Return")
    person.wait_for("Route Harbour: 1 of 3")
    person.press("Alt-c")
    person.wait_for("You sent 7, read ")
    person.see_everything()
    person.press("Alt-k")
    person.wait_until(lambda: person.state.job.meter.number == "G5250", "the next meter is there again")
    person.press("Alt-f")
    person.wait_until(lambda: person.focused == "sought", "a number can be typed")
    person.wait_for("Route Harbour, stop 30 · yours now")
    person.see_everything()
    person.press("Down", "Down", "Return")
    person.wait_for("You have chosen G5248")
    person.see_everything()
    person.press("Alt-l")
    person.wait_until(lambda: person.focused == "username", "the next reader can log in")
    person.see_everything()


@pytest.mark.parametrize("display", ["800x480"], indirect=True)
def test_the_office_is_told_by_the_keyboard_alone_and_nothing_is_cut_off(reader):
    reader.press("Alt-n")
    reader.wait_until(lambda: reader.focused == "note", "a note can be typed")
    reader.press("Return")
    reader.wait_for("The note is empty")
    reader.see_everything()
    reader.press("Alt-b", "Alt-u")
    reader.wait_until(lambda: reader.focused == "number", "a meter can be described")
    reader.type("W99")
    reader.press("Alt-d")
    reader.type("5q")
    reader.press("Return")
    reader.wait_for("'5q' is not a whole number")
    reader.see_everything()
    reader.press("BackSpace", "Alt-w")
    reader.type("shed")
    reader.press("Return")
    reader.wait_for("Reported W99 to the office")
    reader.press("Alt-x")
    reader.wait_until(lambda: reader.focused == "new", "an exchange can be described")
    reader.type("N9")
    reader.press("Tab", "Tab", "Tab")
    reader.type("9q")
    reader.press("Return")
    reader.wait_for("'9q' is not a whole number")
    reader.see_everything()
    reader.press("Alt-b", "Alt-e")
    reader.type("d")
    reader.wait_for("Dog, Damaged, Display faulty?")
    reader.press("Return")
    reader.wait_for("“d” may be “Dog”")
    reader.see_everything()
    reader.type("12")
    reader.wait_for("Tampered")
    reader.press("Return")
    reader.wait_for("Accepted “Tampered” for G5248")


def test_when_all_is_read_the_last_one_can_still_be_corrected(reader):
    for _ in range(3):
        reader.type("1")
        reader.press("Return")
        reader.wait_until(lambda: not reader.state.doing, "it is sent")
    reader.wait_for("All jobs are done")
    reader.window.message.more.menu.invoke("Correct my last reading")
    reader.wait_for("You sent 1, read ")
    reader.wait_until(lambda: reader.focused == "reading", "it can be typed")


def test_who_closes_the_menu_without_choosing_goes_on_typing(reader):
    reader.press("Alt-m")
    reader.wait_until(reader.window.reading.more.menu.winfo_viewable, "the menu is open")
    reader.press("Escape")
    reader.wait_until(lambda: reader.focused == "reading", "the field has the keyboard again")
