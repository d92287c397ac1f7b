"""What is around a reader: what is left on their route, where a meter is, and what they have read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.errors import CallError
from metermt.model import Answer, Job, Role, Walk
from metermt.progress import RouteCounts
from metermt.rules.cycles import check_there_is
from metermt.rules.looks import with_expected
from metermt.rules.times import day_of
from metermt.stops import Found, OwnReading, Stop
from metermt.store.gathered import KnownJob

MAX_FOUND = 20
"""Meters that a search returns."""
_MAX_SOUGHT = 100  # characters
_FEW = 64  # jobs or readings; who wants more is not answered in a turn with others


@dataclass(frozen=True, slots=True)
class RouteOf:
    """A route in a cycle; empty for the jobs on no route."""

    cycle: str
    route: str


@dataclass(frozen=True, slots=True)
class Most:
    """So many at most."""

    n: int = MAX_FOUND


@dataclass(frozen=True, slots=True)
class Sought:
    """A part of the number of a meter or of its address."""

    text: str


@call(Role.READER, Weight.READ, is_large=lambda request: not request.route)
def count_route(turn: Turn, ask: Ask[RouteOf]) -> RouteCounts:
    """Return how far a route of a cycle is: `12 of 80` for those who walk it. Raises `RouteError` for no such cycle."""
    cycle, route = ask.request.cycle, ask.request.route
    check_there_is(cycle, turn.tx.cycles.all())
    counts = turn.tx.progress.routes(cycle, route)
    return counts[0] if counts else RouteCounts(route, 0, 0, 0, 0)


@call(Role.READER, Weight.READ, is_large=lambda request: request.n > _FEW)
def list_ahead(turn: Turn, ask: Ask[Most]) -> list[Stop]:
    """Return the first `n` jobs that are ahead of a reader, from 1 to 1,000: what they hold, then what is free.

    That is in the order of their walk; what was skipped comes last.
    """
    most, reader = _checked(ask.request.n), ask.reader
    ahead = turn.tx.leases.held({reader.key: most}).get(reader.key, [])
    ahead.sort(key=lambda known: known.job.place, reverse=bool(reader.walk and reader.walk.reverse))
    walk = reader.walk or (Walk(ahead[0].job.route) if ahead else None)  # a new login may only hold what was left to it
    if walk and len(ahead) < most:
        ahead += turn.tx.rounds.free({walk: most - len(ahead)})[walk]
    return _as_they_stand(turn, ahead)


@call(Role.READER, Weight.READ, is_large=always)
def find_meters(turn: Turn, ask: Ask[Sought]) -> Found:
    """Find jobs of the open cycles by a part of the meter's number or of its address, whatever the case.

    Those on the route that the reader walks come first; all in the order of `Job.place`. There are 20 at most. It goes
    through all jobs of the open cycles. Raises `CallError` for a text that is empty or too long.
    """
    text, walk = ask.request.text.strip(), ask.reader.walk
    if not text or len(text) > _MAX_SOUGHT:
        raise CallError(f"Say what to look for: a part of a number or an address, up to {_MAX_SOUGHT} characters")
    search = turn.tx.rounds.search
    near = search(text, MAX_FOUND + 1, walk.route) if walk else []
    far = search(text, MAX_FOUND + 1) if len(near) <= MAX_FOUND else []
    found = list(dict.fromkeys([*near, *far]))
    return Found(_as_they_stand(turn, found[:MAX_FOUND]), more=len(found) > MAX_FOUND)


@call(Role.READER, Weight.READ, is_large=lambda request: request.n > _FEW)
def my_readings(turn: Turn, ask: Ask[Most]) -> list[OwnReading]:
    """Return what a reader has read last in the open cycles, and counts, newest first: `n` at most, from 1 to 1,000.

    It is looked for among the last 200 that they have sent.
    """
    most, username = _checked(ask.request.n), ask.reader.username
    latest = turn.tx.readings.latest({username: most}).get(username, [])
    return [_own(job, reading.answer) for job, reading in latest]


def _own(job: Job, answer: Answer) -> OwnReading:
    return OwnReading(job, answer.value, answer.reason, cast(datetime, answer.when))  # as in all that were accepted


def _checked(most: int) -> int:
    if not 1 <= most <= MAX_ITEMS:
        raise CallError(f"Ask for 1 to {MAX_ITEMS} at once")
    return most


def _as_they_stand(turn: Turn, found: Sequence[KnownJob]) -> list[Stop]:
    standings = {one.job: one for one in turn.tx.rounds.standings({known.job.meter.number for known in found})}
    seen = [(known.job, stand) for known in found if (stand := standings.get(known.id))]
    if turn.policy.shows_expected:
        today = day_of(turn.moment)
        seen = [(with_expected(job, stand, today), stand) for job, stand in seen]
    return [
        Stop(job, stand.state, stand.read_by, stand.leased_to if stand.leased_until > turn.now else None)
        for job, stand in seen
    ]
