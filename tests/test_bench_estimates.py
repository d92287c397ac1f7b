"""The bench of estimates has figures of ours beside each rule in use."""

import csv
import json
import random
import sys
from datetime import date, timedelta

import pytest

from bench import estimates
from bench.estimates import mean_of_twelve, previous_use, same_month_last_year, same_month_or_mean
from metermt.rules.history import Period

RULES = ["metermt", "previous-use", "mean-of-twelve", "same-month-last-year", "same-month-or-mean", "metermt-chosen"]


@pytest.fixture
def town(tmp_path):
    """A file of four made-up meters, read for 16 months; one of them was exchanged and nobody said so."""
    chance, rows = random.Random(1), []
    for meter in range(4):
        value, on = 900 + 37 * meter, date(2024, 1, 31)
        for month in range(16):
            before = value
            value = 3 if (meter, month) == (0, 3) else value + round((20 + meter) * chance.uniform(0.8, 1.25))
            on += timedelta(days=30)
            rows.append((f"W{meter}", on, before, value, 30))
    file = tmp_path / "readings.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("meter", "read_date", "previous", "current", "days"), *rows])
    return file


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the bench; return what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench.estimates", *map(str, arguments)])
        estimates.main()
        return capsys.readouterr().out

    return run


def test_every_rule_has_its_errors_with_one_reading_missing_and_with_two(run, town):
    found = json.loads(run("--data", town, "--seeds", "1", "--json"))

    assert list(found) == ["one", "two"]
    for rules in found.values():
        assert list(rules) == RULES
        for errors in rules.values():
            assert list(errors) == ["possible", "error", "error_share", "bias", "bias_share", "ours"]
            assert abs(errors["bias"]) <= errors["error"] < 15
        assert rules["metermt"]["possible"] == rules["previous-use"]["possible"] == 1
        assert 0 < rules["same-month-last-year"]["possible"] < 0.5
        assert rules["metermt"]["error"] == rules["metermt"]["ours"]
    assert found["one"]["metermt"]["error_share"] < 0.2


def test_people_get_two_tables(run, town):
    printed = run("--data", town, "--seeds", "1")
    assert all(words in printed for words in (*RULES, "One missing", "Two missing"))


def test_a_file_without_a_period_before_a_reading_is_refused(run, tmp_path):
    file = tmp_path / "short.csv"
    rows = "".join(f"W{n},2024-01-31,1,2,30\n" for n in range(4))
    file.write_text("meter,read_date,previous,current,days\n" + rows)
    with pytest.raises(SystemExit, match=r"^Error: no reading has a period of use before it: give longer histories"):
        run("--data", file, "--seeds", "1")


def test_the_rules_in_use_elsewhere_estimate_by_daily_use():
    first = date(2024, 1, 31)
    periods = [Period(first + timedelta(days=30 * month), 30, 30 + 3 * month) for month in range(14)]
    on = first + timedelta(days=30 * 14)

    assert previous_use(periods, on) == pytest.approx(2.3)
    assert mean_of_twelve(periods, on) == pytest.approx(1.75)
    assert same_month_last_year(periods, on) == pytest.approx(1.2)
    assert same_month_last_year(periods[-3:], on) is None
    assert same_month_or_mean(periods, on) == pytest.approx(1.2)
    assert same_month_or_mean(periods[-4:], on) == pytest.approx(2.15)
    assert same_month_or_mean(periods[-2:], on) == pytest.approx(2.25)
