"""The office decides on results that are odd, or without a value, and corrects others."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from metermt.audit import What, said
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.chains import chains_of
from metermt.calls.cycles import Cycle
from metermt.calls.exchanges import bring_up_to_date
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.decisions import Decision, Past, Result, Verdict, Waiting
from metermt.errors import ConfirmReading, DecisionError, Error
from metermt.model import Reading, Role
from metermt.quality import Billing, Quality
from metermt.rules.answers import shown, unknown_meter
from metermt.rules.consumption import Before, before, use_since
from metermt.rules.devices import check_device
from metermt.rules.history import Read
from metermt.rules.limits import limits_in
from metermt.rules.looks import check_sure
from metermt.rules.review import (
    check_again,
    check_undecided,
    check_when,
    check_why,
    expected_on,
    flags_of,
    noon_of,
    put_by_office,
    without_value,
)
from metermt.rules.times import day_of
from metermt.store.base import Tx

_PAGE = 200  # results that are told at once, each with its past
_PAST = 12  # earlier values that are shown beside a result


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Which results are asked for."""

    after: int = 0
    """The page that comes after this number, which the page before has told; 0 for the first one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some results that wait."""

    waiting: list[Waiting]
    after: int | None
    """Asks for the next page; None when there is none."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is decided about one result, which is named by the number of its reading."""

    reading: int
    verdict: Verdict
    value: int | None = None
    """What counts instead, for `Verdict.EDIT`."""
    why: str = ""
    """Wanted for an edit. For a re-read it is the note for whoever goes there."""
    sure: bool = True
    """False has an edit refused with `ConfirmReading` if a reader would be asked about the value: it may be a slip."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Many of these."""

    decisions: list[Said] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Correction:
    """Another value for a meter, whatever counted so far; of the latest cycle in which it has a job, or of this one."""

    meter: str
    value: int
    why: str
    cycle: str | None = None
    on: date | None = None
    """The day on which it was read, by the calendar of the server; None for the time of what counted so far, or now."""
    sure: bool = True
    """As in `Said`."""


@dataclass(frozen=True, slots=True)
class GivingUp:
    """A meter that nobody reads again, and why; in the one cycle in which it is to be, or in this one."""

    meter: str
    why: str
    cycle: str | None = None


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def list_waiting(turn: Turn, ask: Ask[Reviewed]) -> Page:
    """Return up to 200 results that wait for a decision, each with the past of its place."""
    found = turn.tx.office.waiting(_PAGE, ask.request.after)
    shown_earlier = shown_before(turn.tx, found)
    limits = {cycle: turn.tx.jobs.limits(cycle, meters) for cycle, meters in _by_cycle(found).items()}
    chains = chains_of(turn.tx, found)
    waiting = [
        _waiting(
            one,
            before(one, chains[one.id]),
            shown_earlier[one.job.cycle].get(one.job.meter.number, ()),
            limits[one.job.cycle].get(one.job.meter.number),
        )
        for one in found
    ]
    return Page(waiting, found[-1].id if len(found) == _PAGE else None)


@call(Role.SUPERVISOR, Weight.WRITE, is_large=always)
def decide(turn: Turn, ask: Ask[Decisions]) -> list[Error | None]:
    """Decide on up to 1,000 results; return of each its error, or None when it is decided.

    `DecisionError` says that one was decided already, has changed meanwhile, or cannot be decided so; `ConfirmReading`
    that a value may be a slip.
    """
    wanted = ask.request.decisions
    if len(wanted) > MAX_ITEMS:
        raise DecisionError(f"Decide on at most {MAX_ITEMS} results at once")
    office = turn.tx.office
    if any(one.verdict is Verdict.REREAD for one in wanted):
        turn.tx.alone()
    waiting = _Waiting(turn, ask, office.results({one.reading for one in wanted}))
    outcomes: list[Error | None] = []
    for one in wanted:
        try:
            waiting.decide(one)
            outcomes.append(None)
        except (DecisionError, ConfirmReading) as error:
            outcomes.append(error.with_traceback(None))
    waiting.keep()
    return outcomes


@call(Role.SUPERVISOR, Weight.WRITE)
def correct_reading(turn: Turn, ask: Ask[Correction]) -> Cycle:
    """Have another value count for a meter, whether it was read and decided or not; what was read stays on record.

    Of the cycle that is named, or of the latest in which the meter has a job; it may be closed. If it was missed, the
    value is flagged as late, and the day on which it was read is to be told. Returns the cycle. Raises `UnknownMeter`,
    `DecisionError` if there is no such job, or the value cannot be, or `ConfirmReading` if it may be a slip.
    """
    asked = ask.request
    why = check_why(asked.why, wanted=True)
    there = turn.tx.office.of_meters([asked.meter])
    if not there:
        raise unknown_meter(asked.meter)
    meant = [one for one in there if asked.cycle in (None, one.job.cycle)]
    if not meant:
        cycles = ", ".join(one.job.cycle for one in there)
        raise DecisionError(f"Meter {asked.meter} has no job in cycle {shown(asked.cycle)}; it has one in {cycles}")
    result = meant[-1]
    chain = turn.tx.billing.chains([result.id])[result.id]
    check_when(result, asked.on, turn.moment, chain)
    when = noon_of(asked.on, turn.moment) if asked.on else None
    reading = put_by_office(result, asked.value, Quality.EDITED, ask.username, turn.moment, when)
    check_device(result.job.meter, reading.answer, chain)
    if not asked.sure:
        _check_sure(turn, result, reading)
    turn.tx.office.add([_decision(result, Verdict.EDIT, why, ask.username, turn.moment)])
    turn.tx.readings.add([(result.id, reading)])
    record_decision(turn, ask, result, f"{Verdict.EDIT}: {why}", asked.value)
    return Cycle(result.job.cycle)


@call(Role.SUPERVISOR, Weight.WRITE)
def give_up_reread(turn: Turn, ask: Ask[GivingUp]) -> Cycle:
    """End the job of a meter that is to be read again without a value; what was known before goes on counting.

    Of the cycle that is named, or of the one in which it is; it may be closed. Returns the cycle. Raises
    `UnknownMeter`, or `DecisionError` if it is not to be read again.
    """
    asked, office = ask.request, turn.tx.office
    why = check_why(asked.why, wanted=True)
    there = office.of_meters([asked.meter])
    if not there:
        raise unknown_meter(asked.meter)
    result = check_again(there, asked.meter, asked.cycle)
    sent_back = office.sent_back([result.id])[result.id]
    office.add([_decision(result, Verdict.EDIT, why, ask.username, turn.moment)])
    turn.tx.readings.add([(result.id, without_value(result, sent_back, why, ask.username, turn.moment))])
    record_decision(turn, ask, result, f"{result.job.cycle}: no value ({why})", None)
    return Cycle(result.job.cycle)


class _Waiting:
    """Some results, and what is decided about them."""

    def __init__(self, turn: Turn, ask: Ask[Decisions], results: Mapping[int, Result]) -> None:
        self._turn, self._ask, self._results, self._username = turn, ask, results, ask.username
        self._cycles = turn.tx.cycles.all()
        self._before = turn.tx.office.decisions({result.id for result in results.values()})
        changed = {one.reading for one in ask.request.decisions if one.verdict in (Verdict.EDIT, Verdict.REREAD)}
        self._chains = turn.tx.billing.chains([one.id for reading, one in results.items() if reading in changed])
        self._made: dict[int, Decision] = {}  # by the reading's id, as the next ones by the job's
        self._approved: dict[int, Billing] = {}
        self._again: dict[int, str] = {}
        self._put: list[tuple[int, Reading]] = []

    def decide(self, one: Said) -> None:
        """Decide on one. Raises `DecisionError` or `ConfirmReading`, and then nothing is decided about it."""
        if one.reading in self._made:
            raise DecisionError(f"Result {one.reading} is named twice: decide on it once")
        result = check_undecided(self._results.get(one.reading), one.reading, self._before)
        why = check_why(one.why, wanted=one.verdict is Verdict.EDIT)
        match one.verdict:
            case Verdict.APPROVE:
                self._approved[result.id] = Billing.READY
            case Verdict.EDIT:
                if one.value is None:
                    raise DecisionError("An edit wants the value that counts")
                reading = put_by_office(result, one.value, Quality.EDITED, self._username, self._turn.moment)
                check_device(result.job.meter, reading.answer, self._chains[result.id])
                if not one.sure:
                    _check_sure(self._turn, result, reading)
                self._put.append((result.id, reading))
            case Verdict.ESTIMATE:
                raise DecisionError("Estimates are made by estimate_readings")
            case Verdict.REREAD:
                if not self._cycles[result.job.cycle]:
                    raise DecisionError(
                        f"Cycle {result.job.cycle} is closed, so {result.job.meter.number} is read no more in it:"
                        f" estimate it, or reopen the cycle (metermt cycles reopen {result.job.cycle})"
                    )
                self._again[result.id] = why or result.job.note
        self._made[one.reading] = _decision(result, one.verdict, why, self._username, self._turn.moment)
        record_decision(self._turn, self._ask, result, f"{one.verdict}: {why}".removesuffix(": "), one.value)

    def keep(self) -> None:
        """Keep what was decided."""
        tx = self._turn.tx
        counted = tx.office.counted_for(self._again)
        tx.office.add(self._made.values())
        tx.office.move(self._approved)
        tx.readings.add(self._put)
        cycles = {result.id: result.job.cycle for result in self._results.values()}
        less = Counter((cycles[job], username) for job, username in counted.items())
        tx.readings.count({one: -number for one, number in less.items()})
        tx.office.send_again(self._again)
        for cycle in sorted({cycles[job] for job in self._again if self._chains[job].exchanges}):
            bring_up_to_date(tx, cycle)


def shown_before(tx: Tx, results: Iterable[Result]) -> dict[str, dict[str, list[Read]]]:
    """Return by cycle what the meters of some results have shown, but for what was read in that cycle."""
    return {cycle: tx.places.history(meters, but_not={cycle}) for cycle, meters in _by_cycle(results).items()}


def _by_cycle(results: Iterable[Result]) -> dict[str, list[str]]:
    """Return the numbers of the meters of some results."""
    meters: dict[str, list[str]] = {}
    for one in results:
        meters.setdefault(one.job.cycle, []).append(one.job.meter.number)
    return meters


def record_decision(turn: Turn, ask: Ask[Any], result: Result, what: str, value: int | None) -> None:
    """Have on record what was decided about a result, and another value if it has one from now on."""
    cycle, reading = result.job.cycle, result.reading
    before = said(cycle, reading.answer.value, reading.answer.reason) if reading else ""
    after = what if value is None else f"{said(cycle, value)} ({what})"
    whom = reading.username if reading else ""
    turn.record(ask, What.DECISION, result.job.meter.number, whom=whom, before=before, after=after)


def _check_sure(turn: Turn, result: Result, reading: Reading) -> None:
    job, said = result.job, reading.answer
    limits = turn.tx.jobs.limits(job.cycle, [job.meter.number]).get(job.meter.number)
    if limits:
        check_sure(cast(int, said.value), job.meter, day_of(cast(datetime, said.when)), limits)


def _decision(result: Result, verdict: Verdict, why: str, username: str, now: datetime) -> Decision:
    return Decision(result.id, result.reading_id, verdict, why, username, now)


def _waiting(result: Result, since: Before | None, earlier: Iterable[Read], limits: str | None) -> Waiting:
    reading, use = cast(Reading, result.reading), use_since(since, result)
    answer = reading.answer
    when = cast(datetime, answer.when)  # as in every answer that was accepted
    past = sorted(earlier, key=lambda read: read.on)[-_PAST:]
    return Waiting(
        reading=cast(int, result.reading_id),
        job=result.job,
        value=answer.value,
        reason=answer.reason,
        code=answer.code,
        flags=flags_of(result, since),
        cause=reading.cause,
        quality=reading.quality,
        username=reading.username,
        when=when,
        recorded_at=reading.recorded_at,
        expected=expected_on(day_of(when), limits_in(limits).limits, result.job.meter.dials),
        past=[Past(read.on, read.value) for read in past],
        use=use and use.registered,
        since=since.value if since and not since.exchanges else None,
    )
