"""What is left to be read: why there is no job for a reader."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metermt.calls.asking import Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.model import Role
from metermt.printable import printable
from metermt.rules.walks import next_walk

_ALL = 10**9  # more jobs than any route has
_NAMED = 5  # other readers who are named; more are many


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of the open cycles, as a reader without a job sees it."""

    open_cycles: int = 0
    closed_cycles: int = 0
    done: int = 0
    """Jobs that are read."""
    mine: int = 0
    """Jobs that this reader holds, perhaps by another login."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Jobs that other readers hold, by user name."""
    any_free: bool = False
    """Whether this reader can be handed a job now."""
    done_by_me: int = 0
    """Jobs that this reader has read."""
    elsewhere: int = 0
    """Jobs that nobody holds, on routes that this reader is not sent to."""

    def in_words(self) -> str:
        """Tell people why there is no job."""
        if not self.open_cycles and self.closed_cycles:
            return "No cycle is open."
        if self.any_free:
            return "There are jobs again: ask for one."
        if self.elsewhere:
            hands = ", ".join(filter(None, (f"{self.elsewhere} on routes that are not yours", self._hands())))
            return f"No job is left for you: {hands}."
        held = self.mine + sum(self.others.values())
        if not held:
            return "All jobs are done." if self.done else "No routes have been imported."
        left = f"{held} jobs are left, all" if held > 1 else "1 job is left,"
        if self.mine:
            return f"{left} {'in other hands' if self.others else 'in your hands'}: {self._hands()}."
        return f"{left} with {'other readers' if held > 1 else 'another reader'}: {self._hands()}."

    def tally_in_words(self) -> str:
        """Tell people how much is read by whom, empty where `in_words` says it all: nothing, or all by this reader."""
        jobs = self.done + self.mine + sum(self.others.values()) + self.elsewhere
        if self.any_free or self.done_by_me == jobs:
            return ""
        return f"Jobs done: {self.done_by_me} by you, {self.done} by all readers, of {jobs}."

    def _hands(self) -> str:
        """Return who holds how many, most first."""
        ranked = sorted(self.others.items(), key=lambda one: (-one[1], one[0]))
        hands = [f"{jobs} with {printable(username)}" for username, jobs in ranked[:_NAMED]]
        if rest := ranked[_NAMED:]:
            hands.append(f"{sum(jobs for _, jobs in rest)} with {len(rest)} more")
        if self.mine:
            hands.append(f"{self.mine} with you by another login")
        return ", ".join(hands)


@call(Role.READER, Weight.READ)
def why_no_job(turn: Turn, ask: Ask[None]) -> Left:
    """Return what is left of the open cycles: to be asked by a reader who was given no job."""
    username = ask.reader.username
    cycles = list(turn.tx.cycles.all().values())
    held = turn.tx.leases.holders(turn.now)
    is_any_over = held.pop("", 0) > 0
    free = turn.tx.rounds.routes_left(1)
    any_free = is_any_over or next_walk(username, turn.tx.walks.assignments(), free, []) is not None
    status = turn.tx.readings.tallies([username])[username]
    return Left(
        open_cycles=cycles.count(True),
        closed_cycles=cycles.count(False),
        done=status.total,
        mine=held.pop(username, 0),
        others=held,
        any_free=any_free,
        done_by_me=status.count,
        elsewhere=0 if any_free or not free else sum(turn.tx.rounds.routes_left(_ALL).values()),
    )
