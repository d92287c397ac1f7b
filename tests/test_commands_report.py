"""`metermt report`, beside what the call says."""

import json
import re
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import pytest
from commands import assert_refused
from conftest import CYCLE

from metermt.cli.reportpage import page_of
from metermt.cli.reportwords import in_words
from metermt.report import Estimated, Hint, HintKind, ReaderReport, Report, RouteUse, SameReader, Shares

EVIL = "<script>alert('\"')</script>&"
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def made():
    """A report in which whatever a client can name is markup."""
    reader = ReaderReport(EVIL, 9, {EVIL: 2}, {"high": 1}, 1, 2, 3, 63.4, 1_800, date(2026, 11, 10), 30, True)
    return Report(
        cycle=EVIL,
        is_open=False,
        first_day=date(2026, 11, 1),
        due=None,
        made_at=NOW,
        shares=Shares(90, 5, 2, 1, 1, 1, 0),
        readers=[reader],
        routes=[RouteUse(EVIL, "G", 110.0, 9, 1, 100.0, 9), RouteUse(f"{EVIL}2", "", 5.0, 1, 0)] * 30,
        last_year=EVIL,
        estimated_twice=[Estimated("G1", EVIL, 5, EVIL)],
        estimated_twice_in_all=3,
        hints=[Hint(EVIL, kind, 200, 0.2, 0.05, 5.0) for kind in HintKind],
        same_reader=[SameReader(EVIL, EVIL)],
    )


def test_a_report_is_told_on_the_terminal(invoke, read_meters):
    finished = invoke("report", CYCLE)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith(f"Cycle {CYCLE}, open")
    assert re.search(r"\nactual +2 +50\.0%\nverified +1 +25\.0%\n", finished.stdout)
    carol, eric = re.findall(r"^(?:carol|eric)  .*$", finished.stdout, re.MULTILINE)
    assert carol.split()[:7] == ["carol", "2", "0", "0", "0", "1", "0"]
    assert eric.split()[:7] == ["eric", "1", "1", "2", "1", "0", "0"]
    assert "eric: not read: not-found 1; odd: low 1, no-history 1\n" in finished.stdout
    assert "There is no such cycle of the year before.\n" in finished.stdout


def test_a_report_is_told_as_json_and_as_a_page_that_is_never_replaced(invoke, read_meters, tmp_path):
    assert json.loads(invoke("report", CYCLE, "--json").stdout)["shares"]["no_value"] == 1
    page = tmp_path / "november.html"
    finished = invoke("report", CYCLE, "--html", "november.html")
    assert (finished.stdout, finished.stderr) == ("", f"The report of {CYCLE} is written to november.html.\n")
    assert page.stat().st_mode & 0o777 == 0o600
    before = page.read_text(encoding="utf-8")
    refused = invoke("report", CYCLE, "--html", "november.html")
    assert_refused(refused, "november.html is there already: choose another name, or replace it with --force")
    database = invoke("report", CYCLE, "--html", "metermt.db", "--force")
    assert_refused(database, f"metermt.db belongs to the database {tmp_path / 'metermt.db'}: choose another name")
    assert page.read_text(encoding="utf-8") == before
    assert_refused(invoke("report", "2026-09"), "There is no cycle '2026-09': there are 2026-11, 2026-12")


def test_a_page_has_whatever_was_named_as_a_text_and_fetches_nothing(made):
    page = page_of(made)
    assert "<th>reader</th>" in page.replace(' class="text"', "")
    assert ">most a day</th>" in page
    assert "<script" not in page
    assert "alert('" not in page
    addresses = set(re.findall(r"https?://[^\"' ]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of what a chart is, which nobody fetches
    assert not re.search(r"\b(src|href|on\w+)=|url\(|@import", page)
    root = ET.fromstring(re.sub(r"<!DOCTYPE html>|<meta[^>]*>", "", page))  # every element is closed
    assert len(root.findall(".//{http://www.w3.org/2000/svg}svg")) == 7  # five of the sixty routes


def test_hints_accuse_nobody(made):
    assert "A hint is no proof" in page_of(made)
    for kind in HintKind:
        words = in_words(Hint("carol", kind, 200, 0.2, 0.05, 5.0))
        assert "carol has read" in words
        assert not re.search("fraud|cheat|fake|invent|lie", words)
