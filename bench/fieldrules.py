"""Four rules in use elsewhere: the least and the most use that they let pass, None where they have nothing to go by."""

from collections.abc import Callable, Sequence
from datetime import date

from metermt.rules.history import Period

Bounds = tuple[float, float]
_YEAR, _NEAR = 365, 20  # days; how far apart the end of a period and its anniversary may lie


def previous_use(periods: Sequence[Period], on: date, days: int) -> Bounds | None:
    """Half and twice the previous use."""
    return (periods[-1].use * 0.5, periods[-1].use * 2) if periods else None


def average_of_twelve(periods: Sequence[Period], on: date, days: int) -> Bounds | None:
    """From 0.4 times the average of the last twelve, at most 10, to 1.8 times it, at least 10."""
    if not periods:
        return None
    uses = [period.use for period in periods[-12:]]
    average = sum(uses) / len(uses)
    return min(average * 0.4, 10), max(average * 1.8, 10)


def expected_use(periods: Sequence[Period], on: date, days: int) -> Bounds | None:
    """Half and twice the average daily use times the days."""
    if not periods:
        return None
    expected = days * sum(period.use for period in periods) / sum(period.days for period in periods)
    return expected * 0.5, expected * 2


def same_month_last_year(periods: Sequence[Period], on: date, days: int) -> Bounds | None:
    """The use of the same month last year, give or take half."""
    near = [period for period in periods if abs((on - period.ended).days - _YEAR) <= _NEAR]
    return (near[-1].use * 0.5, near[-1].use * 1.5) if near else None


FIELD_RULES: dict[str, Callable[[Sequence[Period], date, int], Bounds | None]] = {
    "previous-use": previous_use,
    "average-of-twelve": average_of_twelve,
    "expected-use": expected_use,
    "same-month-last-year": same_month_last_year,
}


def asks(bounds: Bounds | None, use: int) -> bool:
    """Tell whether a rule has the reader look again; one that has nothing to go by passes nothing in silence."""
    return bounds is None or not bounds[0] <= use <= bounds[1]
