"""The window on screens of all sizes, with letters of all sizes: everything can be seen."""

import pytest
from conftest import make_job
from servers import make_database
from window_fixtures import *  # noqa: F403 - the fixtures
from window_fixtures import JOBS, opening_for

from metermt.serving import RunningServer, ServerSettings


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory, demo_accounts):
    """A server for tests that change nothing there."""
    folder = tmp_path_factory.mktemp("lasting")
    database = make_database(folder / "metermt.db", demo_accounts, JOBS)
    with RunningServer(ServerSettings(port=0, database=database)) as server:
        yield server


@pytest.mark.parametrize(("display", "zoom"), [("800x600", 2.0), ("640x400", 1.0)], indirect=["display"])
@pytest.mark.parametrize("family", ["sans-serif", "serif", "monospace"])
def test_nothing_is_cut_off(open_window, lasting_server, family, zoom):
    person = open_window(opening_for(lasting_server))
    usual = person.letters
    person.use_font(family)
    person.window.theme.zoom_to(zoom)
    person.wait_until(lambda: person.focused == "password", "a password is asked for")
    person.see_everything()
    person.log_in()
    person.see_everything()
    person.press("Alt-x")
    person.wait_until(lambda: person.focused == "new", "an exchange can be described")
    person.see_everything()
    person.press("Escape")
    person.wait_until(lambda: person.focused == "reading", "the window is back")
    person.type("5983123")
    person.press("Return")
    person.wait_for("is too long")
    person.see_everything()
    person.press("Alt-e")
    person.type("Display faulty")
    person.see_everything()
    assert person.letters == zoom * usual


@pytest.mark.parametrize("display", ["800x600"], indirect=True)
def test_letters_become_smaller_where_a_long_text_has_no_room_else(open_window, serve, tmp_path, demo_accounts):
    long = make_job("G5248", route="Harbour", sequence=10, address="Harbour " * 25, instructions="Ring twice. " * 16)
    database = make_database(tmp_path / "long.db", demo_accounts, [long, *JOBS[1:]])
    reader = open_window(opening_for(serve(database)))
    usual = reader.letters
    reader.window.theme.zoom_to(2.0)
    reader.log_in()
    reader.see_everything()
    assert usual < reader.letters < 2 * usual
    reader.type("5983")
    reader.press("Return")
    reader.wait_for("Accepted 5983 for G5248")
    reader.see_everything()
    assert reader.letters == 2 * usual


@pytest.mark.parametrize("display", ["800x480"], indirect=True)
@pytest.mark.parametrize("zoom", [1.0, 2.0])
def test_a_long_reason_neither_widens_the_window_nor_pushes_anything_out(
    open_window, serve, tmp_path, demo_accounts, zoom
):
    long = make_job("G5248", route="Harbour", sequence=10, address="2 Harbour Road", instructions="Ring twice. " * 16)
    database = make_database(tmp_path / "long.db", demo_accounts, [long, *JOBS[1:]])
    reader = open_window(opening_for(serve(database)))
    reader.window.theme.zoom_to(zoom)
    reader.log_in()
    reader.see_everything()
    width = reader.root.winfo_width()
    reason = reader.window.reading.reason.entry
    reason.set("No access" + "x" * 77)
    reader.see_everything_but(reason)
    assert reader.root.winfo_width() == width
    reader.type("5983")
    reader.press("Return")
    reader.wait_until(lambda: reader.focused == "Back", "it is asked which it is")
    assert f"“No access{'x' * 30}…”" in " ".join(reader.texts())
    reader.see_everything_but(reason)
    reader.press("Alt-e")
    reader.wait_for("Accepted “")
    assert f"Accepted “No access{'x' * 30}…” for G5248" in reader.texts()
    reader.see_everything()
    assert "Submit" in reader.texts()
    assert reader.root.winfo_width() <= 800


@pytest.mark.parametrize("display", ["800x480"], indirect=True)
def test_the_largest_letters_on_a_small_screen_cut_no_instructions_and_keep_submit_on_it(
    open_window, serve, tmp_path, demo_accounts
):
    texts = {"address": "Harbour " * 25, "instructions": "Ring twice. " * 16}
    long = make_job("G5248", route="Harbour", sequence=10, **texts)
    database = make_database(tmp_path / "long.db", demo_accounts, [long])
    reader = open_window(opening_for(serve(database)))
    reader.log_in()
    for _ in range(5):
        reader.press("Control-plus")
    reader.see_everything()
    reader.type("5983123")
    reader.press("Return")
    reader.wait_for("is too long")
    reader.see_everything()
    assert {texts["instructions"].strip(), "Submit", "Quit"} <= {text.strip() for text in reader.texts()}


def test_a_window_that_is_too_small_grows(reader):
    reader.root.geometry("100x50")
    reader.see_everything()


@pytest.mark.parametrize("display", ["800x600"], indirect=True)
def test_a_window_that_grows_over_the_edge_of_the_screen_is_moved(reader):
    reader.root.geometry("+300+200")
    reader.wait_until(lambda: reader.root.winfo_y() == 200, "the window is there")
    reader.window.theme.zoom_to(2.0)
    reader.see_everything()
