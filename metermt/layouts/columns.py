"""The columns of a record, read from a layout."""

from metermt.errors import LayoutError
from metermt.files.dateformat import DateForm, date_form
from metermt.layouts.fields import CODES, FIELDS, NUMBERS, TEXTS, TIMES, Sort
from metermt.layouts.layout import Column, Format
from metermt.layouts.tables import Table

_TEXT_FILES = (Format.CSV, Format.FIXED)
_KEYS = ("field", "text", "name", "empty", "date", "map", "otherwise", "separator")
_KEYS_OF = {
    Format.CSV: (*_KEYS, "width", "align", "pad", "cut", "decimals", "point"),
    Format.FIXED: (*_KEYS, "width", "align", "pad", "cut", "decimals", "point"),
    Format.XLSX: (*_KEYS, "width", "decimals"),
    Format.JSON: _KEYS,
}
_FOR = {
    "date": (TIMES, "days and moments"),
    "decimals": (NUMBERS, "numbers"),
    "point": (NUMBERS, "numbers"),
    "map": (TEXTS, "texts and codes"),
    "otherwise": (TEXTS, "texts and codes"),
    "separator": ((Sort.CODES,), "several codes, as in flags"),
    "cut": (TEXTS, "texts and codes"),
}
_MAX_WIDTH = 1000
_MAX_DECIMALS = 12
_NO_PAD = "=+-@"  # a padded text must not become a formula


def read_columns(record: str, table: Table, file: Format) -> tuple[Column, ...]:
    """Read the columns of a record; without a fault there is at least one."""
    said = table.value("columns")
    if not isinstance(said, list) or not said:
        table.fault("columns must be a list of columns, such as columns = [ { field = 'meter' } ]")
        return ()
    columns = []
    for place, content in enumerate(said, 1):
        name = content.get("name") or content.get("field") or content.get("text") if isinstance(content, dict) else None
        where = f"{table.where}, column {place}{f' ({name})' if isinstance(name, str) else ''}"
        one = Table(where, content, table.faults)
        column = _column(record, one, file)
        if column:
            columns.append(column)
    return tuple(columns)


def _column(record: str, table: Table, file: Format) -> Column | None:
    if table.is_none:
        return None
    field, text = table.value("field"), table.text("text")
    if ("field" in table) == ("text" in table):
        table.fault("name a field, or a text that is always the same: one of the two")
        return None
    sort = Sort.TEXT
    if field is not None:
        known = FIELDS[record].get(field) if isinstance(field, str) else None
        if known is None:
            table.fault(f"there is no field {field!r} in a {record} record: there are {', '.join(FIELDS[record])}")
            return None
        sort = known
    for key, (sorts, words) in _FOR.items():
        if key in table and (field is None or sort not in sorts):
            table.fault(f"{key} is for {words} only")
    align = table.choice("align", ("left", "right"), "right" if sort in NUMBERS else "left")
    column = Column(
        name=table.text("name", field or text),
        field=field,
        sort=sort,
        text=text,
        width=table.whole("width", 1, _MAX_WIDTH),
        right=align == "right",
        pad=table.character("pad", " ", _NO_PAD),
        cut=table.flag("cut", False),
        empty=table.text("empty"),
        form=_form(table, sort, file),
        decimals=table.whole("decimals", 0, _MAX_DECIMALS),
        point=table.choice("point", (".", ",", ""), "."),
        mapping=table.texts("map") if "map" in table else None,
        otherwise=table.text("otherwise") if "otherwise" in table else None,
        separator=table.text("separator", " ") if "separator" in table or file is not Format.JSON else None,
    )
    for key in table:
        if key in _KEYS_OF[Format.CSV] and key not in _KEYS_OF[file]:
            table.fault(f"{key} means nothing in {file}")
    table.check_no_more(_KEYS_OF[file])
    _check(table, column, file)
    return column


def _form(table: Table, sort: Sort, file: Format) -> DateForm | None:
    if sort not in TIMES:
        table.value("date")
        return None
    default = "YYYY-MM-DD" if sort is Sort.DAY else "YYYY-MM-DDThh:mm:ssZ"
    if file is Format.XLSX and sort is Sort.MOMENT:
        default = "YYYY-MM-DD hh:mm:ss"

    def form_of(text: str) -> DateForm:
        form = date_form(text)
        if sort is Sort.DAY and form.has_time:
            raise LayoutError(f"{text!r} has a time in it, and this is a day")
        if file is Format.XLSX and {"JJJ", "Z"} & set(form.pieces):
            raise LayoutError(f"{text!r} has what no spreadsheet can show: JJJ or Z")
        return form

    return table.made("date", form_of, default)


def _check(table: Table, column: Column, file: Format) -> None:
    """Note what does not go together."""
    if file is Format.FIXED and column.width is None and "width" not in table:
        table.fault("width is missing: each column of a fixed file has one, in characters")
    if column.width is None and column.cut:
        table.fault("cut needs a width")
    if column.width is None and "pad" in table:
        table.fault("pad needs a width")
    fixed = {"text": column.text if column.field is None else "", "empty": column.empty}
    for key, text in {**fixed, "otherwise": column.otherwise or ""}.items():
        if column.width is not None and file in _TEXT_FILES and len(text) > column.width:
            table.fault(f"{key} {text!r} has {len(text)} characters, and the column {column.width}")
    if column.sort in NUMBERS and column.pad != " " and not column.right:
        table.fault(f"a number that is followed by {column.pad!r} is another number: align it right")
    if column.mapping is not None and column.field in CODES:
        known = CODES[column.field]
        if unknown := [code for code in column.mapping if code not in known]:
            table.fault(f"map names {unknown[0]!r}, which {column.field} never is: there are {', '.join(known)}")
        missing = [code for code in known if code not in column.mapping]
        if missing and column.otherwise is None:
            table.fault(f"map says nothing of {', '.join(missing)}: name them, or say what otherwise = stands for them")
    if column.otherwise is not None and column.mapping is None:
        table.fault("otherwise needs a map")
