"""The office of the utility: a supervisor who goes by plain rules, and sees no register."""

import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from bench.year.clock import Clock
from bench.year.figures import PHOTOGRAPHED
from bench.year.readers import Habits
from bench.year.town import YEAR, Place, Swap, cycle_of
from metermt.billing import BatchHead, BillingLine
from metermt.calls.exchanges import MeterExchange
from metermt.calls.review import Said
from metermt.client.client import MeterClient
from metermt.decisions import Verdict, Waiting
from metermt.errors import DecisionError, Error, InvalidReport
from metermt.layouts.finding import layout_text
from metermt.quality import Cause, Flag
from metermt.report import Hint
from metermt.rules.review import severity

NAME = "dora"
_FAR, _QUITE = 3.0, 2.0
"""A use is not believed when it is so many times the expected one, or one so many'th: the second when a slip explains
it."""
_LAYOUT = "csv"


@dataclass(slots=True)
class Done:
    """What the office has done, for the table."""

    verdicts: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    """What it was told that it could not do."""


class Office:
    """Whoever is in the office. `addresses` are those of the servers."""

    def __init__(self, habits: Habits, clock: Clock, addresses: list[str], patience: float) -> None:
        self._habits, self._town, self._clock = habits, habits.town, clock
        self._patience = patience
        self.done = Done()
        self._sent_again: set[tuple[str, int]] = set()
        self._told: set[str] = set()  # new devices
        self.client = self.log_in(addresses)

    def log_in(self, addresses: list[str]) -> MeterClient:
        """Log in anew, as each morning; the servers may have changed."""
        self.client = MeterClient(servers=addresses, timeout=self._patience)
        self.client.login(NAME, NAME)
        return self.client

    # --- exchanges

    def tell_swaps(self, swaps: Iterable[tuple[Place, Swap]]) -> None:
        """Tell the server of exchanges, those that it was told of left out."""
        for _, swap in swaps:
            if swap.new not in self._told:
                self._told.add(swap.new)
                try:
                    self._tell_swap(swap)
                except InvalidReport:  # something was read, or estimated, since then: it was not of the old device
                    why, cycle = f"{swap.new} hung there by then", f"{swap.when:%Y-%m}"
                    self.client.correct_reading(swap.old, swap.final, why, cycle, swap.when.date())
                    self._tell_swap(swap)

    def tell_late(self, month: int) -> None:
        """Tell of the exchanges that nobody has told of so far: the last work orders have come."""
        self.tell_swaps(self._late(month))

    def _tell_swap(self, swap: Swap) -> None:
        exchange = MeterExchange(swap.old, swap.new, swap.final, swap.initial, swap.when.date())
        self.client.exchange_meter(exchange)
        self.done.verdicts["exchange"] += 1

    def _late(self, month: int) -> list[tuple[Place, Swap]]:
        return [(place, swap) for place, swap in self._town.swaps(month) if swap.told == "late"]

    # --- review

    def review(self, cycle: str, month: int, *, again: bool) -> int:
        """Decide on what waits; return how many second visits there are to be.

        With `again` there are days left for those. Then what has no value waits: estimates are made once a cycle.
        """
        waiting = self._but_swaps(month, self.client.list_waiting())
        decisions: list[Said] = []
        estimates: list[int] = []
        for one in waiting:
            if one.value is None and again:
                continue
            said = self._decide(one, again=again and one.job.cycle == cycle)
            if said.verdict is Verdict.ESTIMATE:
                estimates.append(said.reading)
            else:
                decisions.append(said)
        for said, error in zip(decisions, self.client.decide(decisions), strict=True):
            self._note(said.verdict, error)
        cannot = []
        for reading, outcome in zip(estimates, self.client.estimate(estimates), strict=True):
            self._note(Verdict.ESTIMATE, outcome.error)
            if outcome.error:
                cannot.append(Said(reading, Verdict.APPROVE))
        self.client.decide(cannot)
        return sum(said.verdict is Verdict.REREAD for said in decisions)

    def estimate_missing(self, cycle: str) -> int:
        """Have values computed for what nobody has read; return how many there are."""
        missing = [one.meter for one in self.client.list_missing(cycle)]
        outcomes = self.client.estimate_unread(cycle, missing)
        for outcome in outcomes:
            self._note("missing estimated", outcome.error)
        return len(missing)

    def _decide(self, one: Waiting, *, again: bool) -> Said:
        if one.value is None:
            return Said(one.reading, Verdict.ESTIMATE)
        if severity(one.flags, one.value) < 3 or not self._is_doubted(one):
            return Said(one.reading, Verdict.APPROVE)
        place = self._town.of(one.job.meter.number)
        chance = random.Random(f"{self._town.size.seed} office {one.job.cycle} {place.number}")
        first = (one.job.cycle, place.number) not in self._sent_again
        if first and again and one.when < self._clock.now():
            self._sent_again.add((one.job.cycle, place.number))
            if chance.random() < PHOTOGRAPHED:
                return Said(one.reading, Verdict.EDIT, place.shows(one.when), "photograph of the customer")
            return Said(one.reading, Verdict.REREAD, why="please read it again")
        if first:
            return Said(one.reading, Verdict.ESTIMATE)
        if Flag.NEGATIVE in one.flags:
            self._correct_earlier(one)
        return Said(one.reading, Verdict.APPROVE)

    @staticmethod
    def _is_doubted(one: Waiting) -> bool:
        assert one.value is not None
        if one.cause is Cause.EXCHANGED and Flag.NEGATIVE not in one.flags:
            return False
        if Flag.NEGATIVE in one.flags or not one.past or one.expected is None:
            return True
        use, expected = one.value - one.past[-1].value, one.expected - one.past[-1].value
        far = _FAR if one.cause is None else _QUITE
        return not expected / far <= use <= expected * far + 2

    def _correct_earlier(self, one: Waiting) -> None:
        """Take the reading before for wrong, as two visits say so: it lay as far between those beside it as in time."""
        if len(one.past) < 2 or one.value is None:
            return
        (before, last), now = one.past[-2:], one.when.date()
        if not before.value <= one.value < last.value or last.on.year < YEAR:
            return
        days = max((now - before.on).days, 1)
        value = before.value + round((one.value - before.value) * (last.on - before.on).days / days)
        cycle = f"{last.on:%Y-%m}"
        try:
            self.client.correct_reading(one.job.meter.number, value, "the next reading is lower", cycle)
            self.done.verdicts["correction"] += 1
        except Error as error:
            self.done.refused.append(f"correction: {error}")

    def _but_swaps(self, month: int, waiting: Iterable[Waiting]) -> list[Waiting]:
        """Look up whether another device was put up where a value is odd, as work orders come late; return the rest."""
        rest = []
        late = {place.number: (place, swap) for place, swap in self._late(month)}
        for one in waiting:
            found = late.get(self._town.of(one.job.meter.number).number)
            if found and one.job.meter.number == found[1].old and one.value is not None:
                self.tell_swaps([found])
            else:
                rest.append(one)
        return rest

    def _note(self, what: str, error: Error | None) -> None:
        if error is None:
            self.done.verdicts[str(what)] += 1
        else:
            self.done.refused.append(f"{what}: {error}")

    # --- billing

    def export(self) -> BatchHead | None:
        """Give billing what is settled; return the batch, None if there is nothing."""
        text = layout_text(_LAYOUT)
        before = len(self.client.list_batches())
        while True:
            try:
                return self.client.make_batch(_LAYOUT, text)
            except DecisionError as error:
                if "at this moment" in str(error):  # the server was killed while it made one
                    self._clock.set(self._clock.now() + timedelta(seconds=20))
                    time.sleep(0.05)
                    continue
                batches = self.client.list_batches()
                return batches[-1].head if len(batches) > before else None

    def lines(self, head: BatchHead) -> list[BillingLine]:
        """Return the lines of a batch."""
        return list(self.client.batch_lines(head.number))

    def held_back(self) -> int:
        """Return how many results billing is told nothing of yet."""
        return sum(one.undecided + one.again + one.missing + one.behind for one in self.client.held_back())

    def hints(self, month: int) -> list[Hint]:
        """Return at whom the report of a month hints as somebody who may invent readings, and why."""
        return list(self.client.make_report(cycle_of(month)).hints)
