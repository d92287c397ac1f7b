"""A made-up batch, by which a layout shows what it writes."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from metermt.billing import BatchHead, BillingLine, LineKind, totals_of
from metermt.quality import Flag, Quality

_BATCH = 7
_BEFORE = date(2026, 10, 20)


def _line(number: int, route: str, sequence: int, meter: str, *, kind: LineKind = LineKind.READING) -> BillingLine:
    """Return a line that says where the reader was, and nothing else."""
    return BillingLine(
        batch=_BATCH,
        number=number,
        kind=kind,
        cycle="2026-11",
        route=route,
        sequence=sequence,
        meter=meter,
        meter_kind=meter[0],
        dials=5,
        address=f"{number} Mill Street",
        previous_at=_BEFORE,
        read_at=datetime(2026, 11, 19, 8, 30 + number, 15, tzinfo=UTC),
        reader="carol",
    )


SAMPLE_LINES = (
    replace(_line(1, "North", 10, "E445691"), previous=4711, value=4750, registered_use=39, billed_use=Decimal(39)),
    replace(
        _line(2, "North", 20, "E445702/2"),
        multiplier=Decimal("0.125"),
        previous=99_990,
        value=15,
        registered_use=25,
        billed_use=Decimal("3.125"),
        quality=Quality.VERIFIED,
        flags=(Flag.ROLLOVER, Flag.HIGH),
    ),
    replace(_line(3, "North", 30, "G72168"), previous=1200, code="no-access", reason="No access"),
    replace(
        _line(4, "South", 10, "W5983"),
        previous=310,
        value=322,
        registered_use=12,
        billed_use=Decimal(12),
        quality=Quality.ESTIMATED,
        reader="",
    ),
    replace(
        _line(5, "South", 20, "G72170", kind=LineKind.CORRECTION),
        previous=820,
        value=818,
        registered_use=-2,
        billed_use=Decimal(-2),
        quality=Quality.EDITED,
        flags=(Flag.NEGATIVE,),
        corrects=6,
        corrected_value=881,
        corrected_use=Decimal(61),
    ),
)
"""Five lines on two routes: with a multiplier, over a rollover, without a value, estimated, and a correction."""


def sample_head() -> BatchHead:
    """Return the head of the batch with these lines."""
    totals = totals_of(SAMPLE_LINES)
    return BatchHead(
        number=_BATCH,
        made_at=datetime(2026, 11, 20, 16, 5, 9, tzinfo=UTC),
        made_by="dora",
        cycle="2026-11",
        lines=totals.lines,
        sum_values=totals.sum_values,
        sum_registered_use=totals.sum_registered_use,
        sum_billed_use=totals.sum_billed_use,
    )
