"""What billing is told of a result. Pure functions over facts."""

from dataclasses import replace
from typing import cast

from metermt.billing import BillingLine, LineKind
from metermt.decisions import Result
from metermt.model import Reading
from metermt.rules.consumption import Chain, before, read_at, use_since
from metermt.rules.review import flags_of


def line_of(result: Result, chain: Chain, batch: int, number: int) -> BillingLine:
    """Return the line of a result that is settled, as one that billing is told for the first time."""
    reading, job, meter = cast(Reading, result.reading), result.job, result.job.meter
    said, earlier = reading.answer, before(result, chain)
    use = use_since(earlier, result)
    return BillingLine(
        batch=batch,
        number=number,
        kind=LineKind.READING,
        cycle=job.cycle,
        route=job.route,
        sequence=job.sequence,
        meter=meter.number,
        meter_kind=meter.kind,
        dials=meter.dials,
        multiplier=meter.multiplier,
        address=meter.address,
        previous=earlier.value if earlier else None,
        previous_at=earlier.on if earlier else None,
        value=said.value,
        read_at=read_at(result),
        registered_use=use.registered if use else None,
        billed_use=use.billed if use else None,
        quality=reading.quality,
        flags=flags_of(result, earlier),
        code=reading.code,
        reason=said.reason,
        reader=reading.username,
    )


def correcting(line: BillingLine, told: BillingLine) -> BillingLine | None:
    """Return a line as what takes the place of one that billing was told; None if that says the same."""
    names = ("value", "read_at", "previous", "registered_use", "billed_use", "quality", "code", "reason")
    if all(getattr(line, name) == getattr(told, name) for name in names):
        return None
    return replace(
        line,
        kind=LineKind.CORRECTION,
        corrects=told.batch,
        corrected_value=told.value,
        corrected_use=told.billed_use,
    )
