"""What billing is given: the lines of a batch, and the batch as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from metermt.quality import Flag, Quality


class LineKind(StrEnum):
    """What a line tells billing."""

    READING = "reading"
    """Something that it was not given before."""
    CORRECTION = "correction"
    """What takes the place of a line in an earlier batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingLine:
    """One line of a batch: the result of one job, as it was when the batch was made.

    `batch` is the number of the batch, `number` the place of the line in it, from 1. `cycle`, `route`, `sequence`,
    `meter` (a number), `meter_kind` (E, G, W or empty), `dials`, `multiplier` and `address` are those of the job.

    `previous` and `value` are what the register showed, in its own units: on the day `previous_at` (of the utility's
    calendar), and at `read_at` (aware, in UTC). `value` is None when there is only a reason. `registered_use` is what
    was used in units of the register, over rollovers and exchanges; `billed_use` that times the multipliers. Both are
    None when they cannot be told.

    `code` is that of the reason on the office's list, None without one; `reason` its text, empty without one. `reader`
    is a user name, empty for the office.

    A correction takes the place of a line in the batch `corrects`, which said `corrected_value` and `corrected_use`
    (a billed use); each is None in other lines, and where that line said nothing.
    """

    batch: int
    number: int
    kind: LineKind
    cycle: str
    route: str
    sequence: int
    meter: str
    meter_kind: str = ""
    dials: int | None = None
    multiplier: Decimal = Decimal(1)
    address: str = ""
    previous: int | None = None
    previous_at: date | None = None
    value: int | None = None
    read_at: datetime | None = None
    registered_use: int | None = None
    billed_use: Decimal | None = None
    quality: Quality = Quality.ACTUAL
    flags: tuple[Flag, ...] = ()
    code: str | None = None
    reason: str = ""
    reader: str = ""
    corrects: int | None = None
    corrected_value: int | None = None
    corrected_use: Decimal | None = None


@dataclass(slots=True)
class Totals:
    """What lines add up to. What a line does not tell counts as nothing."""

    readings: int = 0
    corrections: int = 0
    sum_values: int = 0
    """In units of the registers, whatever these are: a check that nothing was changed on the way."""
    sum_registered_use: int = 0
    sum_billed_use: Decimal = field(default=Decimal(0))

    @property
    def lines(self) -> int:
        """How many lines there are, of either kind."""
        return self.readings + self.corrections

    def add(self, line: BillingLine) -> None:
        """Count one more line. A correction counts with what it says now."""
        if line.kind is LineKind.CORRECTION:
            self.corrections += 1
        else:
            self.readings += 1
        self.sum_values += line.value or 0
        self.sum_registered_use += line.registered_use or 0
        self.sum_billed_use += line.billed_use or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHead:
    """A batch as a whole: what stands in the header and in the trailer of its file.

    `made_at` is in UTC, `made_by` a user name, empty for whoever worked on the database itself. `cycle` and `route` are
    what was asked for, None for all. The counts and sums are those of `Totals` over all of its lines.
    """

    number: int
    made_at: datetime
    made_by: str = ""
    cycle: str | None = None
    route: str | None = None
    lines: int = 0
    sum_values: int = 0
    sum_registered_use: int = 0
    sum_billed_use: Decimal = Decimal(0)


def totals_of(lines: Iterable[BillingLine]) -> Totals:
    """Return what lines add up to."""
    totals = Totals()
    for line in lines:
        totals.add(line)
    return totals
