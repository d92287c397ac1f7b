"""Billing is given what the office has settled: each result in one batch, and corrections in a later one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from metermt.audit import What
from metermt.billing import BatchHead, BillingLine, Totals
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.chains import chains_of
from metermt.calls.desk import Desk
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.calls.unread import check_there_is_route
from metermt.decisions import Result, Verdict
from metermt.errors import DecisionError, InvalidKey, ServerBusy
from metermt.model import Role
from metermt.printable import counted, local_time
from metermt.quality import Billing
from metermt.rules.answers import checked_key
from metermt.rules.billing import correcting, line_of
from metermt.rules.consumption import Chain, Told, before, came_after, has_fallen, of_later_cycles, waits_for
from metermt.rules.cycles import check_there_is
from metermt.rules.review import was_sent
from metermt.store.base import Tx
from metermt.store.steps.billing import Held, Line, Unfinished
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
    key: str | None = None
    """The client's unique id for this batch: who asks again under it, as the answer was lost, is told of that batch."""


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
    behind: int = 0
    """They are settled, and wait for another result of their meter, which is not."""
    behind_of: list[str] = field(default_factory=list)
    """The cycles of these others, in order."""


@call(Role.SUPERVISOR, Weight.LONG)
def make_batch(desk: Desk, ask: Ask[Batching]) -> BatchHead:
    """Give billing what is settled and was in no batch, and corrections of what has changed since it was in one.

    A result whose previous reading is not settled waits for that; one that has fallen below that since it was accepted
    waits for a decision. Readers work on meanwhile: it is done in parts of 50, and the batch is there when the last one
    is; what was cut off is taken back by the next one. Raises `DecisionError` if there is nothing to give, or somebody
    else is making a batch; `ServerBusy` while that of the same key is being made; `RouteError` if there is no such
    cycle or route; `InvalidKey`.
    """
    asked = ask.request
    checked_key(asked.key)
    desk.store.read(lambda tx: _check_scope(tx, asked.cycle, asked.route))
    while (head := desk.write(lambda turn: _begun(turn, asked, ask.username))) is None:
        _take_back(desk)
    if head.lines:
        return head  # it was made before, and the answer was lost
    totals = Totals()
    ready = desk.store.read(lambda tx: tx.billing.ready(head.cycle, head.route))
    for start in range(0, len(ready), _A_PART):

        def add(turn: Turn, start: int = start) -> list[BillingLine]:
            return _add_part(turn, head, totals.lines, ready[start : start + _A_PART])

        with desk.resting():
            for line in desk.write(add):
                totals.add(line)
    if not totals.lines:
        _take_back(desk, head)
        raise DecisionError(desk.store.read(_nothing_new))
    whole = replace(
        head,
        lines=totals.lines,
        sum_values=totals.sum_values,
        sum_registered_use=totals.sum_registered_use,
        sum_billed_use=totals.sum_billed_use,
    )

    def finish(turn: Turn) -> None:
        _check_ours(turn.tx, head, whole.lines)
        turn.tx.batches.finish(whole)
        told = f"{whole.lines} lines, {whole.sum_billed_use} billed, {asked.cycle or 'all'}, {asked.route or 'all'}"
        turn.record(ask, What.EXPORT, f"batch {whole.number}", after=told)

    desk.write(finish)
    return whole


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def list_batches(turn: Turn, ask: Ask[None]) -> list[Batch]:  # noqa: ARG001 - it is told nothing
    """Return all batches, in order."""
    return [Batch(head, layout) for head, layout in turn.tx.batches.all()]


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def batch_lines(turn: Turn, ask: Ask[Lines]) -> list[BillingLine]:
    """Return up to 1,000 lines of a batch, in order, from after a number; raise `DecisionError` if there is none."""
    _check_batch(turn.tx, ask.request.batch)
    return list(map(_line_in, turn.tx.batches.lines(ask.request.batch, MAX_ITEMS, ask.request.after)))


@call(Role.SUPERVISOR, Weight.READ)
def batch_layout(turn: Turn, ask: Ask[Lines]) -> str:
    """Return the text of the layout that a batch was made by; raise `DecisionError` if there is no such batch."""
    _check_batch(turn.tx, ask.request.batch)
    return turn.tx.batches.layout(ask.request.batch)


@call(Role.SUPERVISOR, Weight.READ, is_large=always)
def held_back(turn: Turn, ask: Ask[Scope]) -> list[HeldBack]:
    """Return what billing is told nothing of yet: of one cycle; or of the open ones, the last that was closed, and any
    other in which something is not settled, or waits for that.

    Raises `RouteError` if there is no such cycle or route.
    """
    tx, asked = turn.tx, ask.request
    _check_scope(tx, asked.cycle, asked.route)
    behind = _behind(tx, asked)
    held = {one.cycle: one for one in tx.billing.held(_cycles_to_look_at(tx, asked), asked.route)}
    return [
        HeldBack(*held.get(cycle, Held(cycle, 0, 0, 0)), len(behind.get(cycle, ())), sorted({*behind.get(cycle, ())}))
        for cycle in sorted(held.keys() | behind.keys())
    ]


def _cycles_to_look_at(tx: Tx, asked: Scope) -> list[str]:
    if asked.cycle:
        return [asked.cycle]
    cycles = tx.cycles.all()
    closed = [cycle for cycle, is_open in cycles.items() if not is_open]
    return sorted({*closed[-1:], *(cycles.keys() - set(closed)), *tx.billing.unsettled()})


def _behind(tx: Tx, asked: Scope) -> dict[str, list[str]]:
    """Return of each settled result that waits for another one the cycle of that, by its own cycle."""
    found: dict[str, list[str]] = {}
    ready = tx.billing.results(tx.billing.beside_unsettled(asked.cycle, asked.route))
    chains = chains_of(tx, ready)
    for result in ready:
        if other := waits_for(result, chains[result.id]):
            found.setdefault(result.job.cycle, []).append(other.cycle)
    return found


def _check_scope(tx: Tx, cycle: str | None, route: str | None) -> None:
    """Raise `RouteError` if there is no such cycle, or no such route in it."""
    cycles = tx.cycles.all()
    if cycle is not None:
        check_there_is(cycle, cycles)
    if route is not None:
        check_there_is_route(tx, route, [*cycles] if cycle is None else [cycle])


def _begun(turn: Turn, asked: Batching, username: str) -> BatchHead | None:
    """Begin a batch, and return it; or return that which was made under the same key. None if one is to be taken back.

    Raises `InvalidKey` if that was another one; `ServerBusy`, so that a client asks again, while it is being made.
    """
    there = turn.tx.batches.unfinished()  # first: whoever makes it is waited for, and it may be whole then
    ours = there if there and asked.key and there.key == asked.key else None
    made = turn.tx.batches.made(asked.key) if asked.key else None
    known = ours.head if ours else made
    if known and (known.cycle, known.route) != (asked.cycle, asked.route):
        raise InvalidKey(f"This key was used before, for batch {known.number}")
    if ours and _is_worked_on(turn, ours):
        raise ServerBusy("The batch that was asked for before is still being made: ask for it again in a minute")
    if made or there:
        return made
    number = max((head.number for head, _ in turn.tx.batches.all()), default=0) + 1
    head = BatchHead(number=number, made_at=turn.moment, made_by=username, cycle=asked.cycle, route=asked.route)
    turn.tx.batches.begin(head, asked.layout, asked.layout_text, asked.key)
    return head


def _nothing_new(tx: Tx) -> str:
    """Say that there is nothing to give, and how to write the last batch again, whose answer or file may be lost."""
    made = tx.batches.all()
    if not made:
        return "There is nothing new for billing"
    last = made[-1][0]
    which = f"batch {last.number} of {local_time(last.made_at)} ({counted(last.lines, 'line')})"
    again = f"metermt batches show {last.number} --to FILE"
    return f"There is nothing new for billing since {which}; to write that again: {again}"


def _add_part(turn: Turn, head: BatchHead, count: int, jobs: Sequence[int]) -> list[BillingLine]:
    """Add the lines of the results of jobs to a batch that has so many, and return them.

    What is ready no longer is left out.
    """
    tx = turn.tx
    _check_ours(tx, head, count)
    ready = [result for result in tx.billing.results(jobs) if result.billing is Billing.READY]
    told = _told(tx, ready)
    since = {job: (line.meter, line.read_at) for job, line in told.items() if line.read_at}
    settled, chains = _settled(tx, ready, since)
    later = {job for result in settled for job in came_after(result, chains[result.id], since.get(result.id))}
    later |= {job for result in settled for job in of_later_cycles(result, chains[result.id])}
    touched = [result for result in tx.billing.results(later) if result.billing is Billing.BILLED]
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


def _settled(tx: Tx, ready: Sequence[Result], since: Mapping[int, Told]) -> tuple[list[Result], dict[int, Chain]]:
    """Return which of some results wait for no other one, and what is known of their places.

    What has fallen below another value that counts before it by now, and nobody was asked about, waits from now on.
    """
    chains = chains_of(tx, ready, since)
    settled = [result for result in ready if not waits_for(result, chains[result.id])]
    low = {one.id: one.reading_id for one in settled if was_sent(one) and has_fallen(before(one, chains[one.id]), one)}
    decided = tx.office.decisions(low) if low else []
    fallen = low.keys() - {one.job for one in decided if one.verdict is Verdict.APPROVE and one.reading == low[one.job]}
    if not fallen:
        return settled, chains
    tx.office.move(dict.fromkeys(fallen, Billing.WAITING))
    others = [result for result in ready if result.id not in fallen]
    chains = chains_of(tx, others, since)
    return [result for result in others if not waits_for(result, chains[result.id])], chains


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
        if there.head != mine and _is_worked_on(desk.turn(tx), there):
            raise DecisionError("Somebody is making a batch at this moment: try again in a minute")
        return tx.batches.take_back(there.head.number, _A_PART) == _A_PART

    while desk.store.write(take):
        pass


def _is_worked_on(turn: Turn, there: Unfinished) -> bool:
    return turn.now - there.worked_at < _GIVEN_UP


def _check_ours(tx: Tx, head: BatchHead, count: int) -> None:
    """Raise `DecisionError` unless a batch is there as it was left, with so many lines, and nobody takes it back."""
    there = tx.batches.unfinished()
    if there is None or there.head != replace(head, lines=count):  # numbers are given anew
        raise DecisionError("Making the batch took so long that somebody else has taken it back: nothing was exported")


def _check_batch(tx: Tx, batch: int) -> None:
    there = [head.number for head, _ in tx.batches.all()]
    if batch not in there:
        which = f"there are 1 to {max(there)}" if there else "there is none yet"
        raise DecisionError(f"There is no batch {batch}: {which}")


def _line_in(line: Line) -> BillingLine:
    return from_text(BillingLine, line.text)  # type: ignore[no-any-return]
