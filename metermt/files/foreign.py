"""Files of meters as other programs write them: which of their columns is which of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metermt.errors import RouteError
from metermt.files.dateformat import DateForm


@dataclass(frozen=True, slots=True)
class Foreign:
    """What stands where in a file from elsewhere, and in which form; its columns are ours by `columns`.

    `columns` has the file's name for columns of ours, `fixed` what is the same in all rows, `codes` what texts of a
    column mean. `day` is the form of days, `point` what stands before decimals.
    """

    columns: Mapping[str, str]
    fixed: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    day: DateForm | None = None
    point: str = "."
    delimiter: str | None = None
    encoding: str = "UTF-8"

    def ours(self, names: Sequence[str]) -> list[str]:
        """Return our names for the columns of a file, which has small letters; those not used have none.

        Raises `RouteError` if a column is not there.
        """
        by_theirs = {theirs.lower(): ours for ours, theirs in self.columns.items()}
        missing = [f"{theirs!r} ({ours})" for ours, theirs in self.columns.items() if theirs.lower() not in names]
        if missing:
            found = ", ".join(map(repr, names)) or "nothing"
            raise RouteError(f"the layout names the columns {', '.join(missing)}, and the first line has {found}")
        return [by_theirs.get(name, "") for name in names]

    def translated(self, column: str, text: str) -> str:
        """Return a field as a file of ours would have it. Raises `RouteError`."""
        if column in self.codes:
            return self._meant(column, text)
        if column == "previous_date" and self.day and text:
            try:
                return self.day.read_day(text).isoformat()
            except ValueError as error:
                raise RouteError(f"Invalid {self._named(column)} {text!r}: {error}") from error
        if column == "multiplier" and self.point != ".":
            if "." in text:
                raise RouteError(f"Invalid {self._named(column)} {text!r}: {self.point} stands before decimals here")
            return text.replace(self.point, ".")
        return text

    def _meant(self, column: str, text: str) -> str:
        known = self.codes[column]
        if text not in known and text:
            raise RouteError(f"Invalid {self._named(column)} {text!r}: the layout knows {', '.join(known)}")
        return known.get(text, "")

    def _named(self, column: str) -> str:
        return self.columns.get(column, column)
