"""The lines of a batch in the order of the records of its file, with what can stand in each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import groupby
from operator import attrgetter

from metermt.billing import BatchHead, BillingLine, LineKind, Totals, totals_of
from metermt.errors import LayoutError
from metermt.layouts.fields import CORRECTION, HEADER, READING, ROUTE, TRAILER
from metermt.layouts.layout import Output, Record

Values = dict[str, object]
"""What can stand in a record, by the names of fields."""

_LINE = tuple(one.name for one in fields(BillingLine))
_OF_A_LINE = attrgetter(*_LINE)
_SUMS = ("lines", "sum_values", "sum_registered_use", "sum_billed_use")
_COUNTED = ("readings", "corrections", *_SUMS)


def records_of(output: Output, head: BatchHead, lines: Iterable[BillingLine]) -> Iterator[tuple[Record, Values]]:
    """Yield the records of a file: header, lines with their routes before them, trailer.

    A route begins wherever the route or the cycle of a line is another than before; of a route all lines are held in
    memory if it has a record, and one line otherwise. Raises `LayoutError` at the end if lines and head do not agree.
    """
    known = {
        "batch": head.number,
        "made_at": head.made_at,
        "made_by": head.made_by,
        "cycle": head.cycle,
        "route": head.route,
        **_picked(head, _SUMS),
    }
    number = routes = 0
    totals = Totals()
    for record, values in _between(output.records, head, known, lines, totals):
        number += 1
        routes += record.kind == ROUTE
        values["record"] = number
        yield record, values
    _check_sums(head, totals)
    if TRAILER in output.records:
        counted = {"record": number + 1, "records": number + 1, "routes": routes}
        yield output.records[TRAILER], known | _picked(totals, _COUNTED) | counted


def _between(
    records: Mapping[str, Record], head: BatchHead, known: Values, lines: Iterable[BillingLine], totals: Totals
) -> Iterator[tuple[Record, Values]]:
    """Yield all records but the trailer."""
    if HEADER in records:
        yield records[HEADER], dict(known)
    for (cycle, route), of_route in groupby(lines, attrgetter("cycle", "route")):
        on_route = list(of_route) if ROUTE in records else of_route  # noqa: B031 - one of the two
        if isinstance(on_route, list):
            here = {"cycle": cycle, "route": route, **_picked(totals_of(on_route), _COUNTED)}
            yield records[ROUTE], known | here
        for line in on_route:
            _check_batch(head, line)
            totals.add(line)
            is_correction = line.kind is LineKind.CORRECTION and CORRECTION in records
            values = dict(zip(_LINE, _OF_A_LINE(line), strict=True))
            values["made_at"], values["made_by"] = head.made_at, head.made_by
            yield records[CORRECTION if is_correction else READING], values


def _picked(found: object, names: Iterable[str]) -> Values:
    return {name: getattr(found, name) for name in names}


def _check_batch(head: BatchHead, line: BillingLine) -> None:
    if line.batch != head.number:
        raise LayoutError(f"Line {line.number} is of batch {line.batch}, and not of batch {head.number}")


def _check_sums(head: BatchHead, totals: Totals) -> None:
    """Refuse what would not add up for whoever reads the file."""
    for name in _SUMS:
        said, found = getattr(head, name), getattr(totals, name)
        if said != found:
            words = name.replace("_", " ")
            raise LayoutError(f"Batch {head.number} has {words} {said}, and its lines have {found}: nothing is written")
