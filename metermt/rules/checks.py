"""The checks at the meter: what is odd about a value, what may lie behind it, whether to ask. Pure functions.

| check | rule | what happens |
| --- | --- | --- |
| dials | 0 ≤ value < 10^dials | refused (`standings.check_fits`) |
| time | `times.check_time` | refused |
| rollover | use < 0, and use + 10^dials is likely of this meter | taken, flag `rollover` |
| negative | use < 0 otherwise | asked, flag `negative` |
| high, low | likelier a slip than a reading of this meter, above or below its usual use | asked, flag `high` or `low` |
| zero | the same with use = 0 on an active meter | asked, flag `zero` |
| neighbour | the same, and the stop before or after explains it best | asked, flag `neighbour` besides |
| inactive use | use > 0 on an inactive meter | flag `inactive-use` |
| no history | no period of use to compare with, or three cycles missing | flag `no-history` |

`use` is the value less the previous reading. The comparison is a Bayes factor (`doubt`).
"""

from datetime import date
from math import exp, inf

from metermt.quality import Cause, Flag, Judgement
from metermt.rules.habits import EXPERIENCE, Habit, chance
from metermt.rules.limits import SENSITIVITY, Limits, as_anything
from metermt.rules.slips import KINDS, SLIPS

_FAR = 8.0  # scales of the habit above its middle: a use beyond has less than 1 chance in 2,900, and explains no slip
_COPIED = 0.2  # the share of neighbours' readings that are their previous one, copied from a sheet
_EXCHANGED = 0.02  # the share of devices exchanged between two readings
_ROUNDED = 1 + 1e-6  # more than sums of floats are off by


_GOOD = Judgement()


def judge(
    value: int,
    on: date,
    limits: Limits,
    dials: int | None,
    *,
    active: bool = True,
    sensitivity: float = SENSITIVITY,
    away: float = EXPERIENCE.away,
) -> Judgement:
    """Judge a value from 0 that was read on a day, in the local time of the meter.

    It is asked about when it is negative, or when `doubt` times `sensitivity` is more than 1.
    """
    known = limits.known_until is not None and on <= limits.known_until
    flags: tuple[Flag, ...] = () if known else (Flag.NO_HISTORY,)
    if limits.previous is None or limits.previous_on is None:
        return Judgement(flags)
    use = value - limits.previous
    if limits.habit is None:
        flags = (Flag.NEGATIVE, *flags) if use < 0 else _inactive(use, active) + flags
        return Judgement(flags, Cause.EXCHANGED if use < 0 else None, confirm=use < 0)
    at = _Meter(value, on, limits, limits.habit, dials, away)
    asked = at.is_doubtful(sensitivity) and (use != 0 or active)
    if not asked and use >= 0 and known and active:
        return _GOOD
    cause = at.cause() if asked else None
    odd = at.oddities(cause) if asked else (Flag.ROLLOVER,) if use < 0 else ()
    if not asked and use < 0:
        cause = Cause.ROLLOVER
    return Judgement(odd + _inactive(at.use, active) + flags, cause, asked)


def doubt(value: int, on: date, limits: Limits, dials: int | None, away: float = EXPERIENCE.away) -> float:
    """Return how many times likelier a value is a slip than a reading of this meter: the Bayes factor of the two.

    The sum of P(k makes the value of t) * P(t) / 6 over the six kinds k of slips and all likely values t, and a share
    of mistakes that are any number, divided by P(value). P is the habit's chance of the use. Infinite for a register
    that fell; 0 where nothing is known.
    """
    if limits.previous is None or limits.previous_on is None:
        return 0.0
    if limits.habit is None:
        return inf if value < limits.previous else 0.0
    return _Meter(value, on, limits, limits.habit, dials, away).doubt()


class _Meter:
    """A meter on a day, and the value that was typed."""

    __slots__ = (
        "_away",
        "_days",
        "_habit",
        "_limits",
        "_on",
        "_over",
        "_previous",
        "_text",
        "_top",
        "_usual",
        "_value",
        "use",
    )

    def __init__(self, value: int, on: date, limits: Limits, habit: Habit, dials: int | None, away: float) -> None:
        assert limits.previous is not None
        assert limits.previous_on is not None
        self._on, self._limits, self._habit, self._away = on, limits, habit, away
        self._value, self._text, self._previous = value, str(value), limits.previous
        self._days = max((on - limits.previous_on).days, 1)
        self._usual = self._days * exp(habit.rate)
        self._top = self._usual * exp(min(_FAR * habit.spread, 50.0)) + 1
        self._over = 10**dials if dials is not None and limits.previous + self._top >= 10**dials else 0
        use = value - limits.previous
        self.use = use + self._over if use < 0 else use

    def is_doubtful(self, sensitivity: float) -> bool:
        """Tell whether the value is to be asked about. A good one needs no look at misread digits, as a rule."""
        if self.use < 0:
            return True
        likely = chance(self._habit, self.use, self._days, self._away)
        slip = self._not_typed()
        if likely < sensitivity * slip:
            return True
        if likely >= sensitivity * (slip + self._typed_at_most()):
            return False
        for cause in (Cause.SWAPPED, Cause.DOUBLED, Cause.DROPPED):
            slip += self._typed(cause)
        if likely >= sensitivity * (slip + 1 / (9 * len(self._text) * KINDS)):  # more it cannot be: Σ P(t) is 1
            return False
        return likely < sensitivity * (slip + self._typed(Cause.MISREAD))

    def doubt(self) -> float:
        """Return how many times likelier the value is a slip than a reading."""
        likely = chance(self._habit, self.use, self._days, self._away) if self.use >= 0 else 0.0
        if not likely:
            return inf
        return (self._not_typed() + sum(self._typed(cause) for cause in SLIPS)) / likely

    def oddities(self, cause: Cause | None) -> tuple[Flag, ...]:
        """Return what is odd about a value that is asked about."""
        if self.use < 0 or self._value < self._previous:
            side = Flag.NEGATIVE
        elif self.use == 0:
            side = Flag.ZERO
        else:
            side = Flag.HIGH if self.use > self._usual else Flag.LOW
        return (side, Flag.NEIGHBOUR) if cause is Cause.NEIGHBOUR else (side,)

    def cause(self) -> Cause | None:
        """Return what most likely lies behind the value; None if any number is likelier than each of them."""
        likely = {cause: self._typed(cause) for cause in SLIPS}
        likely[Cause.NEIGHBOUR] = self._beside()
        likely[Cause.REPEATED] = self._repeated()
        if self._value < self._previous and self._value <= self._top:
            likely[Cause.EXCHANGED] = _EXCHANGED / self._top
        best = max(likely, key=likely.__getitem__)
        return best if likely[best] > as_anything(self.use) else None

    def _not_typed(self) -> float:
        """Return the chance of mistakes that are none of fingers or eyes."""
        return as_anything(self.use) + self._beside() + self._repeated()

    def _typed(self, cause: Cause) -> float:
        """Return the chance that the value is a slip of this kind."""
        if cause is Cause.DROPPED and 10 ** len(self._text) > self._previous + self._top:
            return 0.0  # the register has not so many digits yet
        total, previous, top, over = 0.0, self._previous, self._top, self._over
        if cause is Cause.DOUBLED and not over and 10 ** (len(self._text) - 1) <= previous:
            return 0.0  # the register has more digits already
        reach = inf if over else max(self.use, top - self.use)  # from the use at hand to any that is likely
        for value, part in SLIPS[cause](self._text, reach):
            use = value - previous
            if use < 0:
                use += over
            if 0 <= use <= top:
                total += part * chance(self._habit, use, self._days, self._away)
        return total / KINDS

    def _typed_at_most(self) -> float:
        """Return more than the chance that the value is a slip of fingers or eyes, told without looking at each value
        that it may have been made of; infinite where that is not to be had.

        At most one of these values is the previous reading. Each other one is no likelier than (1 + 3 s²) / (4 s u), s
        the habit's scale below 1 and u its usual use: a bound of the density of a log-logistic distribution, whose
        highest point is (1 - s²) exp(2 s artanh s) / (4 s u); and what households that are away add, `away` / u.
        """
        digits, spread, top = len(self._text), self._habit.spread, self._top
        other_digits = 10 ** (digits - 1) > self._previous or 10**digits <= self._previous + top
        if self._over or other_digits or spread >= 1:
            return inf
        each = ((1 + 3 * spread * spread) / (4 * spread) + self._away) / self._usual
        idle, reach = self._habit.idle, max(self.use, top - self.use)
        places = min(len(str(int(reach))), digits)
        swapped = min(len(str(int(reach / 9))) * each + idle, 1) / max(digits - 1, 1)
        misread = min(9 * places * each + idle, 1) / (9 * digits)
        return (swapped + misread) / KINDS * _ROUNDED

    def _repeated(self) -> float:
        """Return the chance that this is the last reading once more, although something was used."""
        if self._value != self._previous:
            return 0.0
        return (1 - chance(self._habit, 0, self._days, self._away)) / KINDS

    def _beside(self) -> float:
        """Return the chance that this is the reading of the stop before or after, or its previous one."""
        stops = self._limits.beside
        if not stops:
            return 0.0
        total = 0.0
        for stop in stops:
            use = self._value - stop.previous
            days = (self._on - stop.previous_on).days
            total += (1 - _COPIED) * chance(stop.habit, use, days, self._away)
            if not use:
                total += _COPIED
        return total / len(stops) / KINDS


def _inactive(use: int, active: bool) -> tuple[Flag, ...]:
    return (Flag.INACTIVE_USE,) if use > 0 and not active else ()
