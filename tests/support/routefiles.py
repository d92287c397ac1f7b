"""Route files for tests: how one is made, and what comes of it."""

import csv
import io

from conftest import CYCLE

from metermt.files.routes import BadRow, RouteFile

COLUMNS = ("meter", "kind", "route", "sequence", "address", "dials", "previous", "previous_date", "instructions")
ROW = ("G72168", "G", "North", "30", "4 Mill Street", "5", "4711", "2026-10-31", "Dog in the yard, ring first")


def table(*rows, delimiter=",", line_end="\n"):
    """Write rows as a CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return out.getvalue()


def read(path, *encoding):
    with RouteFile(path, CYCLE, *encoding) as route_file:
        return list(route_file.jobs())


def only(path):
    """Return what the only row of the file became."""
    (row,) = read(path)
    return row


def meters_of(rows):
    """Return the meters of the jobs; for what is none, its line."""
    return [row.line if isinstance(row, BadRow) else row.meter.number for row in rows]
