"""The office has values computed for meters that could not be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.review import record_decision, shown_before
from metermt.calls.table import call
from metermt.calls.towns import seasons_of
from metermt.calls.turn import Turn
from metermt.decisions import Decision, Result, Verdict
from metermt.errors import CannotEstimate, DecisionError, Error
from metermt.model import Reading, Role
from metermt.quality import Quality
from metermt.rules.consumption import read_at
from metermt.rules.cycles import check_there_is
from metermt.rules.estimates import check_accepted, check_hangs, estimate
from metermt.rules.history import Read, history_of
from metermt.rules.review import check_undecided, check_unread, noon_of, put_by_office
from metermt.rules.seasons import Season
from metermt.rules.times import day_of
from metermt.store.base import Tx

_A_PART = 200  # values that are computed and kept in one transaction, for which readers wait
_A_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Estimating:
    """For what values are to be computed: results that wait, by the numbers of their readings, or unread meters.

    These are of one `cycle`, open or closed. `on` is the day for which they are computed, by the calendar of the
    server; None for the day by which the cycle is due, or 30 days after its first day, but no later than today.
    """

    readings: list[int] = field(default_factory=list)
    cycle: str | None = None
    meters: list[str] = field(default_factory=list)
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Estimated:
    """A value that was computed: `use` units since the last accepted reading; `how` says how, in words."""

    meter: str
    cycle: str
    value: int
    use: int
    how: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one: a value, or why there is none."""

    made: Estimated | None = None
    error: Error | None = None


@call(Role.SUPERVISOR, Weight.LONG)
def estimate_readings(desk: Desk, ask: Ask[Estimating]) -> list[Outcome]:
    """Compute up to 1,000 values, which count from then on with quality E; return each, or why it cannot be.

    In the order of the readings, then of the meters; computed cycle by cycle, each from what counts by then.
    `DecisionError` says that a result was decided already, or has changed meanwhile, or that a meter has a result;
    `CannotEstimate` that its past does not tell it, or waits for a decision itself. What a reader sends later is taken,
    flagged as late. Raises `RouteError` if there is no such cycle.
    """
    asked = ask.request
    if len(asked.readings) + len(asked.meters) > MAX_ITEMS:
        raise DecisionError(f"Estimate at most {MAX_ITEMS} values at once")
    if asked.meters:
        if asked.cycle is None:
            raise DecisionError("Say of which cycle the meters are that nobody has read")
        check_there_is(asked.cycle, desk.store.read(lambda tx: tx.cycles.all()))
    wanted: list[int | str] = [*asked.readings, *asked.meters]
    results = desk.store.read(lambda tx: _results(tx, asked, wanted))
    seasons = _seasons(desk, results.values())
    cycles = [results[one].job.cycle if one in results else "" for one in wanted]
    parts = _in_order(cycles)
    outcomes: dict[int, Outcome] = {}  # by the place among those that are wanted
    for part in parts:

        def estimate_part(turn: Turn, part: list[int] = part) -> list[Outcome]:
            return _Estimates(turn, ask, seasons).of([wanted[place] for place in part])

        outcomes.update(zip(part, desk.write(estimate_part), strict=True))
    return [outcomes[place] for place in range(len(wanted))]


class _Estimates:
    """What is estimated in one transaction."""

    def __init__(self, turn: Turn, ask: Ask[Estimating], seasons: Mapping[str, Mapping[str, Season]]):
        self._turn, self._ask, self._seasons = turn, ask, seasons
        self._asked, self._username = ask.request, ask.username
        self._days = turn.tx.cycles.days()
        self._shown: dict[str, dict[str, list[Read]]] = {}
        self._made: list[tuple[Decision, Reading]] = []

    def of(self, wanted: Sequence[int | str]) -> list[Outcome]:
        """Estimate what is wanted, and keep it; return what came of each."""
        tx = self._turn.tx
        results = _results(tx, self._asked, wanted)
        jobs = {result.id for result in results.values()}
        self._shown = shown_before(tx, results.values())
        decided, self._chains = tx.office.decisions(jobs), tx.billing.chains(jobs)
        outcomes: list[Outcome] = []
        for one in wanted:
            try:
                outcomes.append(Outcome(self._estimate(one, results.get(one), decided)))
            except Error as error:
                outcomes.append(Outcome(error=error.with_traceback(None)))
        tx.office.add([decision for decision, _ in self._made])
        tx.readings.add([(decision.job, reading) for decision, reading in self._made])
        return outcomes

    def _estimate(self, wanted: int | str, found: Result | None, decided: Sequence[Decision]) -> Estimated:
        if isinstance(wanted, int):
            result = check_undecided(found, wanted, decided)
        else:
            result = check_unread(found, wanted, self._asked.cycle or "")
        if any(decision.job == result.id for decision, _ in self._made):
            raise DecisionError(f"Meter {result.job.meter.number} is named twice: estimate it once")
        meter, cycle, now = result.job.meter, result.job.cycle, self._turn.moment
        chain = self._chains[result.id]
        check_hangs(meter, chain.exchanges)
        when = read_at(result) if result.reading else noon_of(self._day_of(cycle), now)
        reads = self._shown[cycle].get(meter.number, ())
        check_accepted(meter, day_of(when), cycle, chain)
        season = self._seasons.get(cycle, {}).get(meter.kind, Season())
        history = history_of(reads, meter.dials)
        try:
            made = estimate(history, day_of(when), meter.dials, season, active=meter.active)
        except CannotEstimate as error:
            raise CannotEstimate(f"Meter {meter.number}: {error}") from None
        reading = put_by_office(result, made.value, Quality.ESTIMATED, self._username, now, when)
        how = f"{made.method}: {made.text}"
        self._made.append((Decision(result.id, result.reading_id, Verdict.ESTIMATE, how, self._username, now), reading))
        record_decision(self._turn, self._ask, result, f"{Verdict.ESTIMATE}: {how}", made.value)
        return Estimated(meter.number, cycle, made.value, made.use, how)

    def _day_of(self, cycle: str) -> date:
        """Return the day for which an unread meter is estimated."""
        today = day_of(self._turn.moment)
        if self._asked.on:
            if self._asked.on > today:
                raise DecisionError(f"{self._asked.on} lies in the future: nothing is estimated for it yet")
            return self._asked.on
        first_day, due = self._days[cycle]
        return min(due or (first_day + _A_MONTH if first_day else today), today)


def _in_order(cycles: Sequence[str]) -> list[list[int]]:
    """Return the places of these cycles in parts, each of one cycle, oldest first: an estimate goes on from that of the
    cycle before.
    """
    places: dict[str, list[int]] = {}
    for place, cycle in enumerate(cycles):
        places.setdefault(cycle, []).append(place)
    return [
        there[start : start + _A_PART] for _, there in sorted(places.items()) for start in range(0, len(there), _A_PART)
    ]


def _results(tx: Tx, asked: Estimating, wanted: Sequence[int | str]) -> dict[int | str, Result]:
    """Return the results that are meant: by the numbers of readings, or by meters in the cycle that is asked for."""
    found: dict[int | str, Result] = {}
    found.update(tx.office.results(one for one in wanted if isinstance(one, int)).items())
    meters = [one for one in wanted if isinstance(one, str)]
    there = tx.office.of_meters(meters) if meters else []
    found.update((one.job.meter.number, one) for one in there if one.job.cycle == asked.cycle)
    return found


def _seasons(desk: Desk, results: Iterable[Result]) -> dict[str, dict[str, Season]]:
    """Return how the meters of each kind move through the year, by the cycles of some results."""
    days = desk.store.read(lambda tx: tx.cycles.days())
    today = day_of(desk.store.read(desk.turn).moment)
    kinds: dict[str, set[str]] = {}
    for result in results:
        kinds.setdefault(result.job.cycle, set()).add(result.job.meter.kind)
    return {cycle: seasons_of(desk, cycle, days[cycle][0] or today, some) for cycle, some in kinds.items()}
