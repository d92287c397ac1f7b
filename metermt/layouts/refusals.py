"""What cannot be written, told by layout, record, column and value."""

from metermt.errors import LayoutError
from metermt.layouts.layout import Column, Record
from metermt.layouts.records import Values

_SHOWN = 60  # characters of a value


def refusal(layout: str, record: Record, values: Values, column: Column, why: object) -> LayoutError:
    """Return the error for a value that its column cannot have."""
    value = str(values.get(column.field)) if column.field else column.text
    of_meter = f" of meter {values['meter']}" if "meter" in values else ""
    return LayoutError(
        f"Layout {layout}, {record.kind} record{of_meter}, column {column.name}: {value[:_SHOWN]!r} {why}"
    )
