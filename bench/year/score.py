"""What a year comes to: what was lost or counted twice, what became of mistakes, and billed sums against the truth."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from bench.year.month import Month
from bench.year.readers import Said, Word
from bench.year.town import Place, Town
from metermt.billing import BillingLine, LineKind, totals_of
from metermt.config import DatabaseLocation
from metermt.model import Reading
from metermt.quality import Quality
from metermt.store.base import Tx
from metermt.store.opening import open_store

_Where = tuple[int, str]
"""The number of a place, and a cycle."""


@dataclass(slots=True)
class Kept:
    """What the database says of what readers were told was accepted."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Accepted, and not there, or not as it was sent."""
    doubled: int = 0
    """There more than once, or two readings of a job that count, or never sent."""


@dataclass(slots=True)
class Billed:
    """What billing was told."""

    lines: int = 0
    corrections: int = 0
    twice: int = 0
    """Told anew what it had been told, or corrected what was not told last."""
    never: int = 0
    """Results that it was never told."""
    wrong_sums: int = 0
    """Batches whose sum is not that of their lines, and uses that are not those between the values told."""
    last: dict[_Where, BillingLine] = field(default_factory=dict)


@dataclass(slots=True)
class Mistakes:
    """What became of slips, or of invented readings."""

    planted: int = 0
    at_the_meter: int = 0
    """The reader was asked, and sent what the register showed."""
    in_review: int = 0
    """The office had it read again, edited or estimated before billing was told."""
    later: int = 0
    """Billing was told, and then told something better."""
    billed: int = 0
    """It counts still."""


@dataclass(slots=True)
class Sum:
    """What was billed and what was truly used, over the same times."""

    billed: Decimal = Decimal(0)
    used: Decimal = Decimal(0)
    off: Decimal = Decimal(0)
    """What single lines were off by, whatever the sign."""

    def add(self, billed: Decimal, used: Decimal) -> None:
        """Add a line."""
        self.billed, self.used, self.off = self.billed + billed, self.used + used, self.off + abs(billed - used)


def kept(months: Sequence[Month], database: DatabaseLocation) -> Kept:
    """Look into the database for all that was accepted."""
    said = {one.key: one for month in months for one in month.said if not one.error}
    found = Kept(len(said), Counter(one.error.partition(":")[0] for m in months for one in m.said if one.error))
    there: Counter[str] = Counter()
    counting: Counter[tuple[str, str]] = Counter()

    def look(tx: Tx) -> None:
        for job, reading in tx.readings.all(None):
            counting[job.meter.number, job.cycle] += reading.counts
            key = reading.answer.key
            if key and reading.quality in (Quality.ACTUAL, Quality.VERIFIED):
                there[key] += 1
                found.lost += key in said and not _is_as_sent(reading, said[key])

    with open_store(database, create=False) as store:
        store.read(look)
    found.lost += sum(key not in there for key in said)
    found.doubled = sum(number > 1 for number in (*there.values(), *counting.values()))
    found.doubled += sum(key not in said for key in there)
    return found


def _is_as_sent(reading: Reading, said: Said) -> bool:
    answer = reading.answer
    return (answer.meter, answer.value, answer.when, reading.username) == (
        said.meter,
        said.value,
        said.when,
        said.username,
    )


def billed(months: Sequence[Month], town: Town) -> Billed:
    """Follow all batches in order."""
    found = Billed()
    for head, lines in (batch for month in months for batch in month.batches):
        found.wrong_sums += head.sum_billed_use != totals_of(lines).sum_billed_use or head.lines != len(lines)
        for line in lines:
            where = town.of(line.meter).number, line.cycle
            before = found.last.get(where)
            found.lines += 1
            found.corrections += line.kind is LineKind.CORRECTION
            told = (before.batch, before.value, before.billed_use) if before else (None, None, None)
            kind = LineKind.CORRECTION if before else LineKind.READING
            found.twice += (line.kind, line.corrects, line.corrected_value, line.corrected_use) != (kind, *told)
            found.last[where] = line
    wanted = {(town.of(one.meter).number, month.cycle) for month in months for one in month.said if not one.error}
    found.never = len(wanted - found.last.keys())
    found.wrong_sums += sum(_wrong_uses(town.places[number], lines, town) for number, lines in _by_place(found))
    return found


def _by_place(found: Billed) -> Iterable[tuple[int, list[BillingLine]]]:
    lines: dict[int, list[BillingLine]] = defaultdict(list)
    for (number, _), line in sorted(found.last.items()):
        lines[number].append(line)
    return lines.items()


def _wrong_uses(place: Place, lines: Sequence[BillingLine], town: Town) -> int:
    """Count the uses that are not those between two values, as anybody would compute them from the lines alone."""
    wrong, value = 0, place.shows(town.read_before(place.number, 0))
    swaps = list(place.swaps)
    for line in lines:
        if line.value is None or line.read_at is None:
            continue
        use, at = 0, value
        while swaps and swaps[0].when.date() <= line.read_at.date() and line.meter != swaps[0].old:
            swap = swaps.pop(0)
            use, at = use + _step(at, swap.final, place.size), swap.initial
        use += _step(at, line.value, place.size)
        wrong += (line.registered_use, line.billed_use) != (use, use * place.multiplier)
        value = line.value
    return wrong


def _step(before: int, after: int, size: int) -> int:
    """Return what was used; a register that fell has gone over its top if that was less than a tenth of it."""
    over = (after - before) % size
    return over if after >= before or over < size // 10 else after - before


def mistakes(months: Sequence[Month], found: Billed, town: Town, word: Word) -> Mistakes:
    """Return what became of what was typed first and was no truth."""
    first: dict[_Where, BillingLine] = {}
    for _, lines in (batch for month in months for batch in month.batches):
        for line in lines:
            first.setdefault((town.of(line.meter).number, line.cycle), line)
    counts = Mistakes()
    for one in (one for month in months for one in month.said if one.typed.word is word and not one.error):
        counts.planted += 1
        where, wrong = (town.of(one.meter).number, one.cycle), one.typed.value
        if one.value == one.typed.truth:
            counts.at_the_meter += 1
        elif where in first and first[where].value != wrong:
            counts.in_review += 1
        elif where in found.last and found.last[where].value != wrong:
            counts.later += 1
        else:
            counts.billed += 1
    return counts


def sums(found: Billed, town: Town) -> dict[str, Sum]:
    """Return by kind of meter what was billed, and what was used between the first and the last of the readings."""
    of: dict[str, Sum] = {kind: Sum() for kind in sorted({place.kind.letter for place in town.places})}
    for number, lines in _by_place(found):
        place, when = town.places[number], town.read_before(number, 0)
        for line in lines:
            if line.billed_use is None or line.read_at is None:
                continue
            of[place.kind.letter].add(line.billed_use, _used(place, when, line.read_at) * place.multiplier)
            when = line.read_at
    return of


def estimates(found: Billed, town: Town) -> dict[str, Any]:
    """Return the share of estimates among what billing was told last, and how far they are off."""
    told = [(town.places[number], line) for (number, _), line in found.last.items()]
    made = [(place, line) for place, line in told if line.quality is Quality.ESTIMATED]
    off = more = 0.0
    for place, line in made:
        assert line.value is not None
        assert line.read_at is not None
        truth = place.shows(line.read_at)
        difference = (line.value - truth + place.size // 2) % place.size - place.size // 2
        off, more = off + abs(difference) / place.usual, more + difference / place.usual
    number = max(len(made), 1)
    return {"share": len(made) / max(len(told), 1), "off": off / number, "bias": more / number}


def _used(place: Place, since: datetime, until: datetime) -> int:
    return place.used(until) - place.used(since)
