"""What the readings of a cycle add up to. Sums over facts; they do no I/O."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import median
from typing import NamedTuple, cast

from metermt.model import Job, Reading
from metermt.quality import Quality
from metermt.report import ReaderReport, RouteUse, SameReader, Shares
from metermt.rules.consumption import Use
from metermt.rules.habits import Habit
from metermt.rules.history import Read
from metermt.rules.invented import Observed, deviation
from metermt.rules.limits import Limits, is_likely
from metermt.rules.pace import pace_of
from metermt.rules.registers import step_to_reading
from metermt.rules.times import day_of

OTHER = "other"
"""Stands for the code of a reason that is on no list."""
_OFFICE = (Quality.ESTIMATED, Quality.EDITED)


@dataclass(slots=True)
class _Sent:
    """What somebody has sent."""

    values: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    overrides: int = 0
    corrections: int = 0
    replaced: int = 0
    times: list[datetime] = field(default_factory=list)


@dataclass(slots=True)
class _Used:
    """What was used on a route."""

    use: float = 0.0
    meters: int = 0
    left_out: int = 0


class CycleSums:
    """What the readings of one cycle add up to, as they come: those of one job together, in the order of arrival."""

    def __init__(self) -> None:
        self.qualities: Counter[Quality | None] = Counter()
        """Of what counts; None for a reason without a value."""
        self._sent: dict[str, _Sent] = defaultdict(_Sent)
        self._used: dict[tuple[str, str], _Used] = defaultdict(_Used)
        self._routes: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, job: Job, readings: Sequence[Reading], use: Use | None = None) -> None:
        """Add all readings of a job, and the use that the one that counts tells; None where that is not known."""
        for place, one in enumerate(readings):
            if one.quality not in _OFFICE:
                self._add_sent(one, readings[place + 1 :])
        for last in {one.username: one for one in readings if one.quality not in _OFFICE}.values():
            self._add_last(last)
        counting = next((one for one in readings if one.counts), None)
        if counting:
            self._add_counting(job, counting, use)

    def shares(self, *, jobs: int, is_open: bool) -> Shares:
        """Return what counts of so many jobs."""
        not_read = max(jobs - self.qualities.total(), 0)  # of an open cycle jobs may be taken out meanwhile
        return Shares(
            actual=self.qualities[Quality.ACTUAL],
            verified=self.qualities[Quality.VERIFIED],
            estimated=self.qualities[Quality.ESTIMATED],
            edited=self.qualities[Quality.EDITED],
            no_value=self.qualities[None],
            missed=0 if is_open else not_read,
            left=not_read if is_open else 0,
        )

    def readers(self) -> list[ReaderReport]:
        """Return what each reader has sent, sorted by name."""
        found = []
        for username, sent in sorted(self._sent.items()):
            pace = pace_of(sent.times)
            found.append(
                ReaderReport(
                    username=username,
                    readings=sent.values,
                    reasons=dict(sorted(sent.reasons.items())),
                    flags=dict(sorted(sent.flags.items())),
                    overrides=sent.overrides,
                    corrections=sent.corrections,
                    replaced=sent.replaced,
                    an_hour=pace.an_hour,
                    most_a_day=pace.most_a_day,
                    busiest_day=pace.busiest_day,
                    most_a_minute=pace.most_a_minute,
                    is_beyond_people=pace.is_beyond_people,
                )
            )
        return found

    def uses(self, last_year: "CycleSums | None" = None) -> list[RouteUse]:
        """Return what was used on each route by each kind of meters, beside what was used last year."""
        found = []
        for (route, kind), used in sorted(self._used.items()):
            then = last_year._used.get((route, kind)) if last_year else None
            before = (then.use, then.meters) if then and then.meters else (None, 0)
            found.append(RouteUse(route, kind, used.use, used.meters, used.left_out, *before))
        return found

    def same_readers(self, before: "CycleSums") -> list[SameReader]:
        """Return who has read more than half of a route in this cycle and in the one before it."""
        found = []
        for route, readers in sorted(self._routes.items()):
            username = _most_of(readers)
            if username and route and username == _most_of(before._routes.get(route, Counter())):
                found.append(SameReader(route, username))
        return found

    def _add_sent(self, one: Reading, later: Sequence[Reading]) -> None:
        if one.answer.value is None or not later:
            return
        sent, after = self._sent[one.username], later[0]
        if after.quality not in _OFFICE and after.username == one.username:
            sent.corrections += 1
        elif after.answer.value not in (None, one.answer.value):
            sent.replaced += 1

    def _add_last(self, last: Reading) -> None:
        """Count what somebody has said last of a job."""
        sent = self._sent[last.username]
        sent.times.append(_when(last))
        if last.answer.value is None:
            sent.reasons[last.code or OTHER] += 1
        else:
            sent.values += 1
        sent.flags.update(last.flags)
        sent.overrides += last.quality is Quality.VERIFIED

    def _add_counting(self, job: Job, one: Reading, use: Use | None) -> None:
        value = one.answer.value
        self.qualities[None if value is None else one.quality] += 1
        if one.quality not in _OFFICE:
            self._routes[job.route][one.username] += 1
        if value is None:
            return
        used = self._used[job.route, job.meter.kind]
        if use is None:
            used.left_out += 1
        else:
            used.meters += 1
            used.use += float(use.billed)


class _Seen(NamedTuple):
    """A value of a meter that somebody has read, and by what it is judged."""

    username: str
    kind: str
    value: int
    on: date
    habit: Habit | None
    deviation: float | None
    has_moved: bool


class Deviations:
    """How far the uses of meters are off the expected ones, cycle after cycle: what `metermt.rules.invented` takes."""

    def __init__(self) -> None:
        self._last: dict[str, _Seen] = {}
        self._now: dict[str, _Seen] = {}
        self._after: dict[str, float | None] = {}
        self.before: list[Observed] = []
        """Those of all cycles that are over, with what came after them."""

    def add(self, job: Job, one: Reading, limits: Limits) -> None:
        """Add a reading that counts, in the cycle that goes on."""
        value, number = one.answer.value, job.meter.number
        if value is None or one.quality in _OFFICE:
            return
        on = day_of(_when(one))
        habit, off, moved = limits.habit, None, limits.previous not in (None, value)
        if habit and limits.previous is not None and limits.previous_on is not None:
            off = _off(habit, Read(limits.previous_on, limits.previous), Read(on, value), job.meter.dials)
        last = self._last.get(number)
        if last and last.habit:
            self._after[number] = _off(last.habit, Read(last.on, last.value), Read(on, value), job.meter.dials)
        self._now[number] = _Seen(one.username, job.meter.kind, value, on, habit, off, moved)

    def end_cycle(self) -> None:
        """Say that all readings of a cycle were added; those of the next one come."""
        self.before += _without_town(self._last, self._after)
        self._last, self._now, self._after = self._now, {}, {}

    def latest(self) -> list[Observed]:
        """Return those of the cycle that has ended last."""
        return _without_town(self._last, {})


def _off(habit: Habit, before: Read, after: Read, dials: int | None) -> float | None:
    days = (after.on - before.on).days
    use = step_to_reading(before.value, after.value, dials, lambda use: is_likely(habit, use, days))
    return deviation(habit, use, days)


def _without_town(seen: dict[str, _Seen], after: dict[str, float | None]) -> list[Observed]:
    """Take from all deviations what the meters of a kind have in common: their median."""
    firsts: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for number, one in seen.items():
        if one.deviation is not None:
            firsts[one.kind].append(one.deviation)
        if (second := after.get(number)) is not None:
            seconds[one.kind].append(second)
    first, second_ = ({kind: median(values) for kind, values in by.items()} for by in (firsts, seconds))
    return [
        Observed(
            one.username,
            _less(one.deviation, first.get(one.kind)),
            _less(after.get(number), second_.get(one.kind)),
            one.value % 10 if one.has_moved else None,
        )
        for number, one in seen.items()
    ]


def _less(value: float | None, middle: float | None) -> float | None:
    return None if value is None or middle is None else value - middle


def _most_of(readers: Counter[str]) -> str | None:
    """Return who has more than half."""
    return next((name for name, number in readers.most_common(1) if name and 2 * number > readers.total()), None)


def _when(one: Reading) -> datetime:
    return cast(datetime, one.answer.when)  # as in every answer that was accepted


def year_before(cycle: str, cycles: Iterable[str]) -> str | None:
    """Return the cycle of the same month of the year before, as `2025-11` for `2026-11`; None if there is none."""
    year, _, rest = cycle.partition("-")
    if not (rest and year.isdecimal()):
        return None
    before = f"{int(year) - 1:0{len(year)}}-{rest}"
    return before if before in cycles else None
