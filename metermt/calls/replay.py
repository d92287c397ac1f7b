"""What another setting would have done to readings of the past, before it is set."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from metermt.calls.asking import Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.table import call, in_parts
from metermt.errors import RouteError
from metermt.model import Job, Reading, Role
from metermt.rules.cycles import check_there_is
from metermt.rules.limits import check_sensitivity
from metermt.rules.looks import is_asked_about

_LATEST = 3  # cycles, unless others are named


@dataclass(frozen=True, slots=True)
class Replay:
    """A sensitivity to try, and the cycles to try it on: the last three if none is named."""

    sensitivity: float
    cycles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many values of a cycle were asked about, or would have been."""

    cycle: str
    readings: int
    """Values that count and have limits to be judged by."""
    asked: int
    """Of these would be asked about by the setting that the cycle was opened with."""
    would_be_asked: int
    """By the one that is tried."""
    corrected: int
    """Values that their readers have corrected since."""
    corrected_asked: int
    corrected_would_be_asked: int


@call(Role.SUPERVISOR, Weight.LONG)
def replay_limits(desk: Desk, ask: Ask[Replay]) -> list[Replayed]:
    """Judge the readings of some cycles once more, by the limits of then and another sensitivity. Nothing is changed.

    Raises `SettingError` or `RouteError`.
    """
    tried = check_sensitivity(ask.request.sensitivity)
    cycles = desk.store.read(lambda tx: tx.cycles.all())
    for cycle in ask.request.cycles:
        check_there_is(cycle, cycles)
    if not cycles:
        raise RouteError("There is no cycle to try it on")
    return [_replayed(desk, cycle, tried) for cycle in ask.request.cycles or list(cycles)[-_LATEST:]]


def _replayed(desk: Desk, cycle: str, tried: float) -> Replayed:
    count: Counter[str] = Counter()
    for part in in_parts(_values(desk, cycle)):
        limits = _limits(desk, cycle, {job.meter.number for job, _ in part})
        for job, reading in part:
            text = limits.get(job.meter.number)
            if text is None:
                continue
            which = "readings" if reading.counts else "corrected"
            before, now = (int(is_asked_about(reading.answer, text, job.meter.dials, by)) for by in (None, tried))
            count.update({which: 1, f"{which} asked": before, f"{which} would be": now})
    return Replayed(
        cycle,
        count["readings"],
        count["readings asked"],
        count["readings would be"],
        count["corrected"],
        count["corrected asked"],
        count["corrected would be"],
    )


def _limits(desk: Desk, cycle: str, meters: Collection[str]) -> dict[str, str]:
    return desk.store.read(lambda tx: tx.jobs.limits(cycle, meters))


def _values(desk: Desk, cycle: str) -> Iterator[tuple[Job, Reading]]:
    found = desk.store.read(lambda tx: list(tx.readings.all(cycle)))
    return ((job, reading) for job, reading in found if reading.answer.value is not None)
