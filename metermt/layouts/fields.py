"""What the records of a file can be made of."""

from enum import StrEnum

from metermt.billing import LineKind
from metermt.model import KINDS
from metermt.quality import Flag, Quality


class Sort(StrEnum):
    """What sort of value a field has."""

    TEXT = "text"
    CODE = "code"
    """One of a few texts."""
    CODES = "codes"
    """Any number of these."""
    WHOLE = "whole number"
    DECIMAL = "decimal number"
    DAY = "day"
    MOMENT = "moment"


TEXTS = (Sort.TEXT, Sort.CODE, Sort.CODES)
NUMBERS = (Sort.WHOLE, Sort.DECIMAL)
TIMES = (Sort.DAY, Sort.MOMENT)

HEADER, ROUTE, READING, CORRECTION, TRAILER = RECORDS = ("header", "route", "reading", "correction", "trailer")

_EVERYWHERE = {"record": Sort.WHOLE, "batch": Sort.WHOLE, "made_at": Sort.MOMENT, "made_by": Sort.TEXT}
_SUMS = {
    "lines": Sort.WHOLE,
    "sum_values": Sort.WHOLE,
    "sum_registered_use": Sort.WHOLE,
    "sum_billed_use": Sort.DECIMAL,
}
_COUNTS = {"readings": Sort.WHOLE, "corrections": Sort.WHOLE}
_WHERE = {"cycle": Sort.TEXT, "route": Sort.TEXT}
_LINE = {
    **_EVERYWHERE,
    "number": Sort.WHOLE,
    "kind": Sort.CODE,
    **_WHERE,
    "sequence": Sort.WHOLE,
    "meter": Sort.TEXT,
    "meter_kind": Sort.CODE,
    "dials": Sort.WHOLE,
    "multiplier": Sort.DECIMAL,
    "address": Sort.TEXT,
    "previous": Sort.WHOLE,
    "previous_at": Sort.DAY,
    "value": Sort.WHOLE,
    "read_at": Sort.MOMENT,
    "registered_use": Sort.WHOLE,
    "billed_use": Sort.DECIMAL,
    "quality": Sort.CODE,
    "flags": Sort.CODES,
    "code": Sort.TEXT,
    "reason": Sort.TEXT,
    "reader": Sort.TEXT,
    "corrects": Sort.WHOLE,
    "corrected_value": Sort.WHOLE,
    "corrected_use": Sort.DECIMAL,
}

FIELDS: dict[str, dict[str, Sort]] = {
    HEADER: {**_EVERYWHERE, **_WHERE, **_SUMS},
    ROUTE: {**_EVERYWHERE, **_WHERE, **_SUMS, **_COUNTS},
    READING: _LINE,
    CORRECTION: _LINE,
    TRAILER: {**_EVERYWHERE, **_WHERE, **_SUMS, **_COUNTS, "routes": Sort.WHOLE, "records": Sort.WHOLE},
}
"""The fields of each record, by name. What each means is told in docs/LAYOUTS.md."""

CODES = {
    "kind": tuple(map(str, LineKind)),
    "meter_kind": tuple(filter(None, KINDS)),
    "quality": tuple(map(str, Quality)),
    "flags": tuple(map(str, Flag)),
}
"""What fields of codes can say."""
