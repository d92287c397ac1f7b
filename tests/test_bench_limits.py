"""The bench of the limits names every rule, and takes any file of that form."""

import csv
import gzip
import json
import random
import re
import sys
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from bench import limits, townfile
from bench.fieldrules import asks, average_of_twelve, expected_use, previous_use, same_month_last_year
from bench.mistakes import plant
from bench.townfile import BadFile, load
from metermt.rules.history import Period
from metermt.rules.slips import Cause

COLUMNS = ("meter", "kind", "read_date", "previous", "current", "consumption", "days", "how")
RULES = ["metermt", "previous-use", "average-of-twelve", "expected-use", "same-month-last-year"]


@pytest.fixture
def town(tmp_path):
    """A file of eight made-up meters, read for 14 months."""
    chance, rows = random.Random(1), []
    for meter in range(8):
        value, on = 900 + 37 * meter, date(2024, 1, 31)
        for _ in range(14):
            use, value_before = round((6 + meter) * chance.uniform(0.8, 1.25)), value
            value, on = value + use, on + timedelta(days=30)
            rows.append((f"W{meter}", "W", on, value_before, value, use, 30, "made up"))
    file = tmp_path / "readings.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8", newline="") as packed:
        csv.writer(packed).writerows([COLUMNS, *rows])
    return file


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the bench; return what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench.limits", *map(str, arguments)])
        limits.main()
        return capsys.readouterr().out

    return run


def test_every_rule_has_its_shares(run, town, tmp_path):
    drawing = tmp_path / "curve.svg"
    shares = json.loads(run("--data", town, "--seeds", "1", "--json", "--svg", drawing))

    assert list(shares) == RULES
    assert all(list(of_rule) == ["bothered", "caught", "caught_material"] for of_rule in shares.values())
    assert all(0 <= share <= 1 for of_rule in shares.values() for share in of_rule.values())
    assert shares["metermt"]["caught"] > 0.8
    assert shares["metermt"]["bothered"] < 0.1
    words = "".join(ElementTree.parse(drawing).getroot().itertext())
    assert "MeterMT, as shipped" in words
    assert "sensitivity" in words


def test_people_get_a_table_with_a_setting_of_ours_beside_each_rule(run, town):
    table = run("--data", town, "--seeds", "1")
    assert all(name in table for name in (*RULES, *(cause.value for cause in (Cause.MISREAD, Cause.NEIGHBOUR))))
    assert len(re.findall("ours, sensitivity", table)) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("meter,read_date\nW1,2024-01-01\n", "has no column previous, current, days"),
        ("meter,read_date,previous,current,days\nW1,2024-01-32,1,2,30\n", "line 2: .*"),
        ("meter,read_date,previous,current,days\nW1,2024-01-31,1,x,30\n", "line 2: .*'x'"),
        ("meter,read_date,previous,current,days\nW1,2024-01-31,1,-2,30\n", "line 2: .* below zero"),
        ("meter,read_date,previous,current,days\nW1,2024-01-31,1,2,30\n", "has 1 meters: two halves"),
        ("meter,read_date,previous,current,days\n" + "".join(f"W{n},2024-01-31,1,2,30\n" for n in range(4)), "longer"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(run, tmp_path, text, said):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(SystemExit, match=f"^Error: .*{said}"):
        run("--data", file, "--seeds", "1")


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(BadFile, match="No such file"):
        load(tmp_path / "none.csv")


def test_another_device_goes_on_where_a_row_does_not_follow_the_one_before():
    rows = [
        townfile.Row(date(2024, 1, 31), 900, 912, 30),
        townfile.Row(date(2024, 3, 1), 0, 9, 30),
    ]
    assert [(read.value, read.exchanged) for read in townfile.reads_of(rows)] == [
        (900, False),
        (912, False),
        (0, True),
        (9, False),
    ]


def test_mistakes_differ_from_the_truth_and_are_material_beyond_a_fifth_and_one_unit():
    for seed in range(50):
        mistakes = plant(1_223, 1_211, [1_240, 873], random.Random(seed))
        assert len({mistake.kind for mistake in mistakes}) == len(mistakes) >= 5
        for mistake in mistakes:
            assert mistake.value != 1_223
            assert mistake.material is (abs(mistake.value - 1_223) > 2.4)
    small = {mistake.kind: mistake for mistake in plant(101, 100, [], random.Random(1))}
    assert small[Cause.REPEATED].material is False
    assert Cause.NEIGHBOUR not in small


def test_the_rules_in_use_elsewhere_ask_outside_their_bounds():
    first = date(2024, 1, 31)
    periods = [Period(first + timedelta(days=30 * month), 30, 10 + month) for month in range(14)]
    on = first + timedelta(days=30 * 14)

    assert previous_use(periods, on, 30) == (11.5, 46)
    assert average_of_twelve(periods, on, 30) == pytest.approx((7, 31.5))
    assert average_of_twelve([Period(first, 30, 2)], on, 30) == (0.8, 10)
    assert average_of_twelve([Period(first, 30, 50)], on, 30) == (10, 90)
    assert expected_use(periods, on, 60) == pytest.approx((16.5, 66))
    assert same_month_last_year(periods, on, 30) == (6, 18)
    assert same_month_last_year(periods[-3:], on, 30) is None
    assert [asks((5, 20), use) for use in (4, 5, 20, 21)] == [True, False, False, True]
    assert asks(None, 10)
