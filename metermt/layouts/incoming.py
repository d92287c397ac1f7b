"""What a layout says of files of meters from elsewhere: its table `import`."""

from collections.abc import Collection

from metermt.files.dateformat import day_form
from metermt.files.foreign import Foreign
from metermt.files.routes import OPTIONAL, REQUIRED
from metermt.layouts.encodings import known_encoding
from metermt.layouts.tables import Table

_KEYS = ("encoding", "delimiter", "date", "point", "columns", "fixed", "map")
_KNOWN = REQUIRED + OPTIONAL
_NO_DELIMITER = "\"'\r\n"


def read_import(table: Table) -> Foreign:
    """Read what a file calls its columns; what is wrong is noted in the table."""
    columns, fixed = _texts(table, "columns"), _texts(table, "fixed")
    if "meter" not in columns:
        table.fault("columns does not say which column has the number of the meter: add meter = 'ITS NAME'")
    if "route" not in columns and "route" not in fixed:
        table.fault("neither columns nor fixed says what the route is: add route = 'ITS NAME' to columns")
    if both := sorted(columns.keys() & fixed.keys()):
        table.fault(f"{both[0]} stands in columns and in fixed: leave one away")
    theirs = [name.strip().lower() for name in columns.values()]
    if twice := [name for name in theirs if theirs.count(name) > 1]:
        table.fault(f"columns names {twice[0]!r} twice")
    foreign = Foreign(
        columns={ours: name.strip() for ours, name in columns.items()},
        fixed=fixed,
        codes=_codes(table, columns),
        day=table.made("date", day_form, "YYYY-MM-DD"),
        point=table.choice("point", (".", ","), "."),
        delimiter=table.character("delimiter", "", _NO_DELIMITER) or None,
        encoding=table.made("encoding", known_encoding, "UTF-8") or "UTF-8",
    )
    table.check_no_more(_KEYS)
    return foreign


def _texts(table: Table, key: str) -> dict[str, str]:
    texts = table.texts(key)
    for column in texts:
        if column not in _KNOWN:
            table.fault(f"{key} names {column!r}, which is no column of ours: there are {', '.join(_KNOWN)}")
    return texts


def _codes(table: Table, columns: Collection[str]) -> dict[str, dict[str, str]]:
    codes = table.table("map", "import, map")
    for column in codes:
        if column not in columns:
            codes.fault(f"{column!r} is none of the columns: there are {', '.join(columns)}")
    return {column: codes.texts(column) for column in codes}
