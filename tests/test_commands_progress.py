"""`metermt progress`, beside what the call says."""

import json
from datetime import UTC, datetime

import pytest
from commands import assert_refused
from conftest import CYCLE
from rich.console import Console
from rich.text import Text

from metermt.cli import progress as command
from metermt.cli.progresstables import bar, tables_of
from metermt.errors import ServerUnreachable
from metermt.progress import CycleWork, ReaderWork, RouteCounts, RouteWork, Work

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
LATE = RouteWork(RouteCounts("A route with a very long name", 1_400, 20, 10, 1_430, 70), True, ["carol"], {"adam": 25})
DONE = RouteWork(RouteCounts("South", 5, 0, 0, 0), False)
READER = ReaderWork("carol", 214, 63.4, NOW, True, "South")


def drawn(work, width=80, lines=None, trouble="", **how):
    console = Console(width=width, record=True, file=open("/dev/null", "w"), **how)  # noqa: PTH123, SIM115
    with console.file:
        console.print(tables_of(work, trouble, lines))
        return console.export_text(styles=bool(how))


def test_a_database_is_told_in_80_columns_without_colours(invoke, crew_database):
    finished = invoke("progress")
    assert (finished.returncode, finished.stderr) == (0, "")
    heading, columns, north, *_ = finished.stdout.splitlines()
    assert heading.rstrip() == f"{CYCLE}: 0 of 2 jobs done"
    assert columns.split() == ["route", "done", "est.", "no", "acc.", "skip", "left", "time", "readers"]
    assert north.split() == ["North", "░░░░░░░░░░░░", "0", "0", "0", "0", "2"]
    assert "\x1b" not in finished.stdout


def test_a_database_is_told_as_json(invoke, crew_database):
    told = json.loads(invoke("progress", "--json").stdout)
    assert told["cycles"][0]["routes"][0]["counts"] == {
        "route": "North",
        "read": 0,
        "no_access": 0,
        "skipped": 0,
        "left": 2,
        "estimated": 0,
    }
    assert [one["username"] for one in told["readers"]] == ["carol", "eric"]


def test_what_is_wide_is_cut_to_80_columns():
    text = drawn(Work(NOW, [CycleWork(CYCLE, None, None, True, [LATE])], [READER]))
    assert max(map(len, text.splitlines())) <= 80
    assert "A route with … █████░" in text
    assert " 1420   70      20   10 1430 late adam 25, carol" in text
    assert "carol  yes         214      63 " in text


def test_done_is_blue_and_what_is_left_is_green_or_red():
    def colours(counts, late):
        return [span.style for span in bar(counts, late).spans]

    assert colours(LATE.counts, True) == ["blue", "red"]
    assert colours(LATE.counts, False) == ["blue", "green"]
    assert bar(DONE.counts, False) == Text.assemble(("█" * 12, "blue"))


def test_a_small_terminal_shows_what_is_late_first():
    work = Work(NOW, [CycleWork(CYCLE, None, None, True, [DONE] * 30 + [LATE] + [DONE] * 30)], [READER])
    text = drawn(work, lines=15)
    assert len(text.splitlines()) <= 15
    assert "A route with" in text
    assert "… 5" in text


def test_watching_goes_on_while_the_server_is_away_until_ctrl_c(invoke, crew_database, monkeypatch):
    class Office:
        asked = 0

        def show_progress(self, cycle):
            self.asked += 1
            if self.asked == 2:
                raise ServerUnreachable("No server answers")
            return Work(NOW, [CycleWork(CYCLE, None, None, None, [DONE])], [])

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt

    waited, drawings = [], []
    monkeypatch.setattr(command.time, "sleep", sleep)
    monkeypatch.setattr("metermt.cli.progresstables.tables_of", lambda *said: drawings.append(said[1]) or Text("x"))
    command._watch(Office(), None)
    assert drawings == ["", "This is how it was: No server answers. Trying again.", ""]
    assert waited == [command.EVERY] * 3


def test_what_cannot_be_watched_is_told(invoke, crew_database):
    assert invoke("progress", "--watch").stderr.endswith(
        "--watch draws on a terminal: leave it away to write to a file or as JSON\n"
    )
    assert_refused(invoke("progress", "--cycle", "2026-12"), f"There is no cycle '2026-12': only {CYCLE}")


@pytest.mark.usefixtures("crew_database")
def test_a_terminal_is_drawn_on_until_ctrl_c(in_terminal):
    child = in_terminal("progress", "--watch")
    child.expect("0 of 2 jobs done")
    child.expect("As of")
    child.sendintr()
    child.expect("$")
    child.wait()
    assert child.exitstatus == 0
