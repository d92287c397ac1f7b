"""`metermt review`, beside what the calls say."""

import pytest
from commands import assert_done, assert_refused
from conftest import CYCLE, Clock
from readers import Reader, open_with_past

from metermt.calls.desk import Desk
from metermt.errors import ConfirmReading
from metermt.store.sqlite.store import SqliteStore

UNDECIDABLE = "Meter M1 waits for no decision: to change it say metermt readings correct"


@pytest.fixture
def town(database_path, demo_accounts, hasher):
    """A database with four meters of which two have odd values, one has no reading, and one a good one."""
    with SqliteStore(database_path) as store:
        store.write(lambda tx: tx.accounts.put(demo_accounts))
        desk = Desk(store, clock=Clock())
        south = {"route": "South"}
        open_with_past(desk, dict.fromkeys(("M0", "M1", "M2", "M3"), 1_000), also={"M2": south, "M3": south})
        carol = Reader(desk)
        for meter in ("M0", "M3"):
            with pytest.raises(ConfirmReading):
                carol.submit(meter, 1_444)
            carol.submit(meter, 1_444)
        carol.submit("M1", None, "dog")
        carol.submit("M2", 1_144)
    return database_path


def test_what_waits_is_listed_the_gravest_first(invoke, town):
    finished = invoke("review", "list")
    heading, *lines = finished.stdout.splitlines()
    columns = "meter  odd   value  expected  previous  cause    route  past         reader  read                  cycle"
    assert heading == columns
    assert [line.split()[0] for line in lines] == ["M0", "M3", "M1"]
    assert lines[0].startswith("M0     high   1444      11")
    assert "misread  North  ███████████  carol" in lines[0]
    assert lines[0].endswith(f"  {CYCLE}")
    assert finished.stderr == "3 results to decide on.\n"
    by_route = invoke("review", "list", "--by", "route").stdout.splitlines()
    assert [line.split()[0] for line in by_route[1:]] == ["M0", "M1", "M3"]
    assert invoke("review", "list", "--flag", "dog", "--route", "South").stderr == "0 results to decide on.\n"


def test_what_is_known_of_one_result_is_shown(invoke, town):
    shown = invoke("review", "show", "m1", "M0").stdout
    assert shown.startswith("M1, ")
    assert "  no reading: dog\n  by carol, " in shown
    assert "\nM0, " in shown
    assert_refused(invoke("review", "show", "M1", "M2"), UNDECIDABLE.replace("M1", "M2"))


def test_a_flag_that_there_is_not_is_no_empty_selection(invoke, town):
    refused = invoke("review", "estimate", "--flag", "no-acess", "--yes")
    assert refused.returncode == 1
    assert "There is no flag and no code of a reason 'no-acess'; there are rollover, " in refused.stderr
    assert invoke("review", "estimate", "--flag", "no-access", "--yes").returncode == 0


def test_results_are_decided_of_by_meter_and_by_flag(invoke, town):
    edited = invoke("review", "edit", "m0", "1144", "--why", "photograph")
    assert_done(edited, f"1144 counts for M0 in {CYCLE}: a use of 12.\n")
    finished = invoke("review", "approve", "--flag", "high", stdin="n\n")
    assert (finished.returncode, finished.stderr) == (1, "Approve 1 result? [y/N]: n\nAborted!\n")
    assert_done(invoke("review", "approve", "--flag", "high", "--yes"), "Approve: 1 result.\n")
    assert_done(invoke("review", "reread", "M1", "--note", "chained now"), "Read again: 1 result.\n")
    assert invoke("review", "list").stderr == "0 results to decide on.\n"
    assert_refused(invoke("review", "approve", "M1"), UNDECIDABLE)
    assert invoke("review", "approve").returncode == 2


def test_an_edit_that_is_lower_says_so_and_one_that_has_gone_over_the_top_says_what_was_used(invoke, town):
    with SqliteStore(town) as store:
        desk = Desk(store, clock=Clock())
        open_with_past(desk, {"M9": 99_863})  # which showed 99,995 last
        carol = Reader(desk)
        with pytest.raises(ConfirmReading):
            carol.submit("M9", 444)
        carol.submit("M9", 444)
    for meter, value, use in (("m3", 1_130, -2), ("m9", 7, 12)):
        edited = invoke("review", "edit", meter, str(value), "--why", "photograph", "--yes")
        assert_done(edited, f"{value} counts for {meter.upper()} in {CYCLE}: a use of {use}.\n")


def test_an_edit_says_the_use_since_what_billing_goes_on_from_also_if_that_came_later(invoke, town):
    (town.parent / "past.csv").write_text("meter,date,value\nM0,2026-10-30,1140\n")
    assert invoke("history", "import", "past.csv").returncode == 0
    edited = invoke("review", "edit", "M0", "1144", "--why", "photograph", "--yes")
    assert_done(edited, f"1144 counts for M0 in {CYCLE}: a use of 4.\n")
    lines = invoke("export", "--to", "-", "--route", "North").stdout.splitlines()
    (line,) = [line.split(",") for line in lines if ",M0," in line]
    assert "4" in line, lines


def test_results_are_decided_of_one_by_one(invoke, town):
    finished = invoke("review", "each", stdin="x\ne\n1144\nphotograph\na\nr\nthe dog is chained now\n")
    assert finished.returncode == 0
    said = finished.stdout
    assert "1 of 3\nM0, " in said
    assert "  1444: high (misread?)\n  by carol, " in said
    assert "previous 1132 on 2026-09-27, use 312" in said
    assert "  past ███████████ 1096 1108 1120 1132\n" in said
    assert said.endswith("\n3 results decided, 0 left.\n")
    assert invoke("review", "list").stderr == "0 results to decide on.\n"


def test_what_could_not_be_read_is_estimated(invoke, town):
    finished = invoke("review", "estimate", "M1")
    heading, line = finished.stdout.splitlines()
    assert heading.split() == ["meter", "cycle", "value", "use", "how"]
    assert line.startswith(f"M1     {CYCLE}   1154   22  same-month: 0.4 a day for 54 days")
    assert finished.stderr == "1 meter estimated.\n"
    assert_refused(invoke("review", "estimate", "M1"), UNDECIDABLE)
    said = invoke("review", "each", stdin="t\nq\n").stdout
    assert "1154 counts: same-month: " in said


def test_meters_that_nobody_has_read_are_estimated(invoke, town):
    assert invoke("cycles", "close", CYCLE, "--force").returncode == 0
    (town.parent / "new.csv").write_text("meter,route\nM9,North\n")
    assert invoke("routes", "import", "new.csv").returncode == 0
    assert invoke("cycles", "open", "2026-12").returncode == 0
    refused = invoke("review", "estimate-unread", "2026-12", "M9", "M8")
    assert refused.returncode == 1
    assert "Meter M9: It cannot be estimated: there is no reading of it to go on from" in refused.stderr
    assert "There is no meter 'M8' in cycle 2026-12" in refused.stderr
    assert invoke("review", "estimate-unread", "2026-12", stdin="n\n").stderr.startswith("Estimate 5 meters? [y/N]")


def test_whoever_has_enough_goes_on_another_time(invoke, town):
    assert invoke("review", "each", stdin="s\nq\n").stdout.endswith("\n0 results decided, 3 left.\n")
    typo = invoke("review", "each", stdin="e\n59x83\nphotograph\n").stdout
    assert "Error: '59x83' is not a valid whole number." in typo
    refused = invoke("review", "each", stdin="e\n9999999\nphotograph\nq\n")
    assert refused.stderr == "Not decided: Invalid value 9999999: the register of M0 goes from 0 to 99999\n"
    assert refused.stdout.endswith("\n0 results decided, 3 left.\n")


def test_a_value_of_the_office_that_may_be_a_slip_is_asked_about_first(invoke, town, monkeypatch):
    odd = "9144 is high for M0 (a digit misread?), a use of 8012"
    edit = ("review", "edit", "M0", "9144", "--why", "photograph")
    refused = "say --yes if it is right all the same"
    assert_refused(invoke(*edit), f"{odd}: {refused}")
    correct = ("readings", "correct", "M2", "11", "--why", "photograph")
    assert invoke(*correct).stderr.endswith(f": {refused}\n")
    monkeypatch.setattr("metermt.cli.slips._is_asked", lambda: True)
    finished = invoke(*edit, stdin="n\n")
    assert finished.stderr == f"{odd}. Does it count all the same? [y/N]: n\nAborted!\n"
    said = invoke("review", "each", stdin="e\n9144\nphotograph\nn\nq\n")
    assert (said.stderr, said.stdout.endswith("\n0 results decided, 3 left.\n")) == (f"Not decided: {odd}\n", True)
    assert invoke("review", "list").stderr == "3 results to decide on.\n"
    assert invoke(*edit, stdin="y\n").returncode == 0
    assert invoke(*correct, "--yes").returncode == 0


def test_a_value_is_corrected_whether_it_waits_or_not(invoke, town):
    assert_done(invoke("readings", "correct", "m2", "1146", "--why", "photograph"), f"1146 counts for M2 in {CYCLE}.\n")
    assert_refused(
        invoke("readings", "correct", "M2", "1145", "--why", " "), "Say why: it stays on record beside the value"
    )
    assert invoke("readings", "correct", "M2", "-1", "--why", "x").returncode == 2
