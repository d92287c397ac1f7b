"""`metermt cycles` and `metermt history`, beside what the calls say."""

import pytest
from commands import assert_done, assert_refused
from conftest import CYCLE

ROUTE = "meter,route,dials,status\nW1,North,5,\nW2,North,5,active\nW3,South,5,inactive\n"
PAST = (
    "meter;read_date;previous;current;days\nw1;2026-09-30;100;112;30\nW1;2026-10-31;112;124;31\nW9;2026-10-31;1;2;31\n"
)


@pytest.fixture
def town(invoke, tmp_path):
    """A folder with a database of three meters, one of them asleep."""
    (tmp_path / "meters.csv").write_text(ROUTE)
    assert_done(invoke("routes", "import", "meters.csv"), "3 of 3 meters new or changed.\n")
    return tmp_path


def test_a_cycle_is_opened_listed_and_closed(invoke, town):
    finished = invoke("cycles", "open", CYCLE, "--due", "2026-11-15")
    assert (finished.returncode, finished.stdout) == (0, f"Cycle {CYCLE} is open: 2 jobs added.\n")
    assert finished.stderr == "2 meters have no history to judge a reading by.\n"
    assert_done(invoke("cycles", "open", CYCLE), f"Cycle {CYCLE} is open: 0 jobs added; 2 had one already.\n")
    assert invoke("cycles", "list").stdout == (
        "cycle    state  due         route  read  estimated  no access  skipped  left\n"
        "2026-11  open   2026-11-15  North     0          0          0        0     2\n"
    )
    assert_refused(
        invoke("cycles", "close", CYCLE),
        "2 meters are not read in 2026-11: read them first, or have them missed with --force",
    )
    assert_done(invoke("cycles", "close", CYCLE, "--force"), f"Closed cycle {CYCLE}; 2 meters were not read.\n")
    assert invoke("cycles", "list").stdout.splitlines()[1].split() == [CYCLE, "closed", "2026-11-15", *"0002"]


def test_a_cycle_that_is_opened_again_is_due_on_another_day(invoke, town):
    for due in ("2026-11-15", "2026-11-20"):
        invoke("cycles", "open", CYCLE, "--due", due)
    assert "2026-11-20" in invoke("cycles", "list").stdout


def test_a_cycle_beside_another_one_or_of_another_kind_of_name_is_warned_of(invoke, town):
    past = "2 meters have no history to judge a reading by.\n"
    assert invoke("cycles", "open", CYCLE).stderr == past
    assert invoke("cycles", "open", "11-2026").stderr == (
        f"Warning: the new cycle 11-2026 is named unlike the others, such as {CYCLE}\n"
        f"Warning: open, too: {CYCLE}; readers are sent to a meter once for each open cycle\n{past}"
    )
    assert invoke("cycles", "open", "11-2026").stderr == ""


def test_a_cycle_with_a_wrong_name_is_removed_and_held_back_from_billing_no_more(invoke, town):
    invoke("cycles", "open", "11-2026")
    invoke("cycles", "close", "11-2026", "--force")
    assert "Held back of 11-2026: 2 missing" in invoke("export", "--to", "-").stderr
    asked = invoke("cycles", "remove", "11-2026", stdin="n\n")
    assert (asked.returncode, asked.stderr) == (1, "Remove cycle 11-2026 with all its jobs? [y/N]: n\nAborted!\n")
    assert_done(invoke("cycles", "remove", "11-2026", "--yes"), "Removed cycle 11-2026 with 2 jobs.\n")
    assert "Held back" not in invoke("export", "--to", "-").stderr
    assert_refused(
        invoke("cycles", "remove", "11-2026", "--yes"),
        "There is no cycle '11-2026', and no other: import a route file first",
    )


def test_what_cannot_be_done_to_cycles_is_told(invoke, town):
    assert_refused(invoke("cycles", "open", "Nov 2026"), "Invalid cycle 'Nov 2026': write it like 2026-11")
    assert_refused(
        invoke("cycles", "close", CYCLE), f"There is no cycle {CYCLE!r}, and no other: import a route file first"
    )
    for due in ("soon", "30.11.2026", "2026-11-31"):
        finished = invoke("cycles", "open", CYCLE, "--due", due)
        assert finished.returncode == 2
        assert finished.stderr.endswith(f"'--due': Invalid day {due!r}: write it like 2026-11-20\n")
    assert invoke("cycles", "list").stderr.startswith("No cycles: open one with 'metermt cycles open'")


def test_a_past_is_imported_with_the_reading_before_and_what_cannot_be_is_told(invoke, town):
    (town / "past.csv").write_text(PAST)
    for _ in range(2):
        finished = invoke("history", "import", "past.csv")
        assert (finished.returncode, finished.stdout) == (3, "2 rows imported.\n")
        assert finished.stderr == (
            "1 row could not be used:\n  line 4: There is no meter 'W9': import its route first\n"
        )
    assert invoke("cycles", "open", CYCLE).stderr == "1 meter has no history to judge a reading by.\n"


def test_a_past_tells_by_its_quality_what_nobody_has_read(invoke, town):
    (town / "past.csv").write_text(
        "meter,date,value,previous,days,quality\nW1,2026-09-30,100,,,e\nW1,2026-10-31,124,100,31,V\n"
        "W2,2026-08-31,1,,,X\nW2,2026-09-30,1,,,\nW2,2026-10-31,9,,,A\n"
    )
    finished = invoke("history", "import", "past.csv")
    assert (finished.returncode, finished.stdout) == (3, "4 rows imported.\n")
    assert finished.stderr.endswith("  line 4: Invalid quality 'X': use A, V, E, F, or nothing for A\n")
    # What went before the reading of W1 is no reading either, though its row does not say so.
    assert invoke("cycles", "open", CYCLE).stderr == "1 meter has no history to judge a reading by.\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meter,value\nW1,5\n", "past.csv is no history file: its first line must name date, and has meter, value"),
        ("meter,date,value\nW1,31.10.2026,5\n", "No row of the file can be used"),
        ("meter,date,value\nW1,2026-10-31,-5\n", "No row of the file can be used"),
        ("meter,date,value\nW1,2026-10-31\n", "No row of the file can be used"),
        ("", "past.csv is no history file: its first line must name meter and date and value, and has no columns"),
    ],
)
def test_a_past_that_cannot_be_used_changes_nothing(invoke, town, text, words):
    (town / "past.csv").write_text(text)
    finished = invoke("history", "import", "past.csv")
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == f"Error: {words}"
    assert invoke("cycles", "open", CYCLE).stderr == "2 meters have no history to judge a reading by.\n"
