"""Billing is given what the office has settled: each result in one batch, and corrections in a later one."""

from collections.abc import Sequence
from dataclasses import dataclass

from metermt.audit import What
from metermt.billing import BatchHead, BillingLine, Totals
from metermt.calls.chains import chains_of
from metermt.calls.desk import Desk
from metermt.calls.table import MAX_ITEMS, Ask, Turn, Weight, call
from metermt.calls.unread import check_there_is_route
from metermt.decisions import Result
from metermt.errors import DecisionError
from metermt.model import Role
from metermt.quality import Billing
from metermt.rules.billing import correcting, line_of
from metermt.rules.consumption import Chain, came_after, of_later_cycles, waits_for
from metermt.rules.cycles import check_there_is
from metermt.store.base import Tx
from metermt.store.billing import Line
from metermt.wire import from_text, to_text

_A_PART = 50  # results that are billed in one transaction, for which readers wait
_GIVEN_UP = 15.0  # seconds after which whoever was making a batch, part by part, has died


@dataclass(frozen=True, slots=True)
class Batching:
    """What is to be given to billing: all that is settled, or that of one cycle or route; and by which layout."""

    layout: str
    """The name of the layout, and its text, which are kept with the batch."""
    layout_text: str
    cycle: str | None = None
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, and the name of its layout."""

    head: BatchHead
    layout: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines are asked for: those of a batch from after a number."""

    batch: int
    after: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """A cycle or a route, None for all."""

    cycle: str | None = None
    route: str | None = None


@dataclass(frozen=True, slots=True)
class HeldBack:
    """How many meters of a cycle billing is told nothing of yet, and why."""

    cycle: str
    undecided: int
    """They wait for a decision."""
    again: int
    """They are to be read again."""
    missing: int
    """They were not read."""


@call(Role.SUPERVISOR, Weight.LONG)
def make_batch(desk: Desk, ask: Ask[Batching]) -> BatchHead:
    """Give billing what is settled and was in no batch, and corrections of what has changed since it was in one.

    A result whose previous reading is not settled waits for that. Readers work on meanwhile: it is done in parts of
    50, and the batch is there when the last one is; what was cut off is taken back by the next one. Raises
    `DecisionError` if there is nothing to give, or somebody else is making a batch; `RouteError` if there is no such
    cycle or route.
    """
    asked = ask.request
    desk.store.read(lambda tx: _check_scope(tx, asked.cycle, asked.route))
    _take_back(desk)
    head = desk.write(lambda turn: _begun(turn, asked, ask.username))
    totals = Totals()
    ready = desk.store.read(lambda tx: tx.batches.ready(head.cycle, head.route))
    for start in range(0, len(ready), _A_PART):

        def add(turn: Turn, start: int = start) -> list[BillingLine]:
            return _add_part(turn, head, totals.lines, ready[start : start + _A_PART])

        with desk.resting():
            for line in desk.write(add):
                totals.add(line)
    if not totals.lines:
        _take_back(desk, head)
        raise DecisionError("There is nothing new for billing")
    whole = BatchHead(
        number=head.number,
        made_at=head.made_at,
        made_by=head.made_by,
        cycle=head.cycle,
        route=head.route,
        lines=totals.lines,
        sum_values=totals.sum_values,
        sum_registered_use=totals.sum_registered_use,
        sum_billed_use=totals.sum_billed_use,
    )

    def finish(turn: Turn) -> None:
        _check_ours(turn.tx, head)
        turn.tx.batches.finish(whole)
        told = f"{whole.lines} lines, {whole.sum_billed_use} billed, {asked.cycle or 'all'}, {asked.route or 'all'}"
        turn.record(ask, What.EXPORT, f"batch {whole.number}", after=told)

    desk.write(finish)
    return whole


@call(Role.SUPERVISOR, Weight.READ, is_large=lambda _request: True)
def list_batches(turn: Turn, ask: Ask[None]) -> list[Batch]:  # noqa: ARG001 - it is told nothing
    """Return all batches, in order."""
    return [Batch(head, layout) for head, layout in turn.tx.batches.all()]


@call(Role.SUPERVISOR, Weight.READ, is_large=lambda _request: True)
def batch_lines(turn: Turn, ask: Ask[Lines]) -> list[BillingLine]:
    """Return up to 1,000 lines of a batch, in order, from after a number; raise `DecisionError` if there is none."""
    _check_batch(turn.tx, ask.request.batch)
    return list(map(_line_in, turn.tx.batches.lines(ask.request.batch, MAX_ITEMS, ask.request.after)))


@call(Role.SUPERVISOR, Weight.READ)
def batch_layout(turn: Turn, ask: Ask[Lines]) -> str:
    """Return the text of the layout that a batch was made by; raise `DecisionError` if there is no such batch."""
    _check_batch(turn.tx, ask.request.batch)
    return turn.tx.batches.layout(ask.request.batch)


@call(Role.SUPERVISOR, Weight.READ, is_large=lambda _request: True)
def held_back(turn: Turn, ask: Ask[Scope]) -> list[HeldBack]:
    """Return what billing is told nothing of yet: of one cycle, or of the open ones and the last that was closed.

    Raises `RouteError` if there is no such cycle or route.
    """
    cycles, asked = turn.tx.jobs.cycles(), ask.request
    _check_scope(turn.tx, asked.cycle, asked.route)
    closed = [cycle for cycle, is_open in cycles.items() if not is_open]
    wanted = [asked.cycle] if asked.cycle else sorted({*closed[-1:], *(cycles.keys() - set(closed))})
    return [HeldBack(*held) for held in turn.tx.batches.held(wanted, asked.route)]


def _check_scope(tx: Tx, cycle: str | None, route: str | None) -> None:
    """Raise `RouteError` if there is no such cycle, or no such route in it."""
    cycles = tx.jobs.cycles()
    if cycle is not None:
        check_there_is(cycle, cycles)
    if route is not None:
        check_there_is_route(tx, route, [*cycles] if cycle is None else [cycle])


def _begun(turn: Turn, asked: Batching, username: str) -> BatchHead:
    _check_nobody_else(turn)
    number = max((head.number for head, _ in turn.tx.batches.all()), default=0) + 1
    head = BatchHead(number=number, made_at=turn.moment, made_by=username, cycle=asked.cycle, route=asked.route)
    turn.tx.batches.begin(head, asked.layout, asked.layout_text)
    return head


def _add_part(turn: Turn, head: BatchHead, count: int, jobs: Sequence[int]) -> list[BillingLine]:
    """Add the lines of the results of jobs to a batch that has so many, and return them.

    What is ready no longer is left out.
    """
    tx = turn.tx
    _check_ours(tx, head)
    ready = [result for result in tx.batches.results(jobs) if result.billing is Billing.READY]
    told = _told(tx, ready)
    since = {job: (line.meter, line.read_at) for job, line in told.items() if line.read_at}
    chains = chains_of(tx, ready, since)
    settled = [result for result in ready if not waits_for(result, chains[result.id])]
    later = {job for result in settled for job in came_after(result, chains[result.id], since.get(result.id))}
    later |= {job for result in settled for job in of_later_cycles(result, chains[result.id])}
    touched = [result for result in tx.batches.results(later) if result.billing is Billing.BILLED]
    chains |= chains_of(tx, touched)
    moved = {result.id: Billing.READY for result in touched if waits_for(result, chains[result.id])}  # told later
    billed = [result for result in touched if result.id not in moved]
    told |= _told(tx, billed)
    lines: list[BillingLine] = []
    stored: list[Line] = []
    for result in (*settled, *billed):
        line = _new_line(result, chains[result.id], head.number, count + len(lines) + 1, told.get(result.id))
        if line is None:
            moved[result.id] = Billing.BILLED
            continue
        lines.append(line)
        assert result.reading_id is not None
        stored.append(Line(line.number, result.id, result.reading_id, line.kind, to_text(line)))
    tx.batches.add(head.number, stored, turn.now)
    tx.office.move(moved)
    return lines


def _told(tx: Tx, results: Sequence[Result]) -> dict[int, BillingLine]:
    """Return what billing was told last of results, by the job's id."""
    last = tx.batches.last_lines([result.id for result in results])
    return {job: _line_in(line) for job, line in last.items()}


def _new_line(result: Result, chain: Chain, batch: int, number: int, told: BillingLine | None) -> BillingLine | None:
    line = line_of(result, chain, batch, number)
    return correcting(line, told) if told else line


def _take_back(desk: Desk, mine: BatchHead | None = None) -> None:
    """Take back a batch that was cut off, or this one, part by part."""

    def take(tx: Tx) -> bool:
        there = tx.batches.unfinished()
        if there is None:
            return False
        if there[0] != mine:
            _check_nobody_else(desk.turn(tx))
        return tx.batches.take_back(there[0].number, _A_PART) == _A_PART

    while desk.store.write(take):
        pass


def _check_nobody_else(turn: Turn) -> None:
    there = turn.tx.batches.unfinished()
    if there and turn.now - there[1] < _GIVEN_UP:
        raise DecisionError("Somebody is making a batch at this moment: try again in a minute")


def _check_ours(tx: Tx, head: BatchHead) -> None:
    there = tx.batches.unfinished()
    if there is None or there[0] != head:  # numbers are given anew
        raise DecisionError("Making the batch took so long that somebody else has taken it back: nothing was exported")


def _check_batch(tx: Tx, batch: int) -> None:
    there = [head.number for head, _ in tx.batches.all()]
    if batch not in there:
        which = f"there are 1 to {max(there)}" if there else "there is none yet"
        raise DecisionError(f"There is no batch {batch}: {which}")


def _line_in(line: Line) -> BillingLine:
    return from_text(BillingLine, line.text)  # type: ignore[no-any-return]
