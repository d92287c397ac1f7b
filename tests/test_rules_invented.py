"""Hints name the one reader of a crew who invents readings, and nobody else."""

from math import log

import pytest

from bench.inventors import Crew, measured
from metermt.report import HintKind
from metermt.rules.habits import Habit
from metermt.rules.invented import FEWEST_READERS, FEWEST_READINGS, Observed, deviation, hints

CREWS = 3


@pytest.mark.parametrize(
    ("crew", "kind"),
    [
        (Crew(readers=6, meters=300, share=0.25, style="low"), HintKind.MADE_UP_FOR),
        (Crew(readers=6, meters=300, share=0.5, style="expected"), HintKind.AS_EXPECTED),
        (Crew(readers=6, meters=300, share=0.5, style="digits"), HintKind.DIGITS),
    ],
    ids=str,
)
def test_an_inventor_stands_out_and_nobody_else(crew, kind):
    right, _, wrong = measured(crew, CREWS)
    assert right[kind] == CREWS
    assert wrong.total() == 0


def test_nobody_stands_out_in_honest_crews():
    assert measured(Crew(readers=6, meters=300, share=0.0), 2 * CREWS) == ({}, 0, {})


def test_of_few_readers_or_readings_nothing_is_said():
    def crew(readers, readings):
        odd = [Observed("odd", -3.0, 3.0, 5)] * readings
        return odd + [Observed(f"other{n}", 0.5, 0.5, k % 10) for n in range(readers - 1) for k in range(readings)]

    def told(values):
        return {one.kind for one in hints(values, [])}

    assert told(crew(FEWEST_READERS, FEWEST_READINGS)) == {HintKind.MADE_UP_FOR}
    assert told(crew(FEWEST_READERS - 1, FEWEST_READINGS)) == set()
    assert told(crew(FEWEST_READERS, FEWEST_READINGS - 1)) == set()


def test_who_reads_the_meters_before_an_inventor_does_is_not_named_for_it():
    """The inventor's low uses follow on true ones, of which some are high."""
    before = [Observed("before", 3.0, -3.0, 5)] * FEWEST_READINGS
    others = [Observed(f"other{n}", 0.5, 0.5, k % 10) for n in range(3) for k in range(FEWEST_READINGS)]
    assert hints(before + others, []) == []


def test_a_deviation_is_on_the_scale_of_the_meter():
    habit = Habit(log(1.0), 0.3)
    assert deviation(habit, 30, 30) == pytest.approx(0, abs=0.05)
    assert deviation(habit, 15, 30) < -1 < 1 < deviation(habit, 60, 30)
    assert deviation(habit, None, 30) == deviation(habit, 0, 30) == -4  # it fell, or far below
    assert deviation(habit, 3, 3) is None  # three units are expected
