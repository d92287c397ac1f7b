"""What stands in the fields of the window."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metermt.client.exchanging import TypedExchange
from metermt.errors import InvalidReport, UserError
from metermt.fieldnotes import Reason, likely_kind
from metermt.model import KINDS, User
from metermt.rules.answers import as_typed, shown
from metermt.rules.choices import chosen

READ = "Read"
"""The reason that is none: there is a reading."""
KIND_NAMES = tuple(name.capitalize() for kind, name in KINDS.items() if kind)
"""The kinds of meters, as they are called in the window."""
NO_EXCHANGE: Mapping[str, str] = dict.fromkeys(("new", "final", "initial", "new_dials", "on"), "")
"""What is typed of an exchange, by field, when nothing is."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The texts of all fields, named as they are."""

    username: str = ""
    password: str = ""
    full_name: str = ""
    again: str = ""
    reading: str = ""
    reason: str = READ
    sought: str = ""
    note: str = ""
    number: str = ""
    """This and the next four are of a meter that was found."""
    kind: str = ""
    dials: str = ""
    shows: str = ""
    where: str = ""
    new: str = ""
    """This and the next four are of an exchange."""
    final: str = ""
    initial: str = ""
    new_dials: str = ""
    on: str = ""

    @property
    def own_reason(self) -> str:
        """What was typed as a reason; empty where it says that there is a reading."""
        reason = self.reason.strip()
        return "" if reason.lower() == READ.lower() else reason

    @property
    def answer(self) -> tuple[int | str | None, str] | None:
        """The reading, None without one, and the reason, empty without one. None if there is neither.

        A reading that is not a whole number is the text that was typed: `metermt.rules.answers.judged` says what is
        wrong with it.
        """
        reading, reason = self.reading.strip(), self.own_reason
        if reading:
            return as_typed(reading), reason
        return (None, reason) if reason else None

    @property
    def reports(self) -> list[str]:
        """What was begun for the office besides a reading: what each is called."""
        found = (self.number, self.kind, self.dials, self.shows, self.where)
        begun = {"note": [self.note], "report of a meter": found, "word of an exchange": self.exchange}
        return [name for name, texts in begun.items() if "".join(texts).strip()]

    @property
    def found(self) -> tuple[str, str, int | None, int | None, str]:
        """The number of a meter that was found, its kind, digits and reading, and where it hangs.

        The kind is that which the number begins with, unless another one was typed. Raises `InvalidReport`.
        """
        number, kind = self.number.strip().upper(), self.kind.strip()
        meant = chosen(kind, KIND_NAMES)
        code = meant[0][0] if meant else kind or likely_kind(number)
        return number, code, _whole("dials", self.dials), _whole("reading", self.shows), self.where

    @property
    def exchange(self) -> TypedExchange:
        """What was typed of an exchange."""
        texts = (self.new, self.final, self.initial, self.new_dials, self.on)
        return TypedExchange(*(text.strip() for text in texts))

    def contradicts_itself(self, reasons: Iterable[Reason]) -> bool:
        """Tell whether there is a reading, and a reason that begins as one which says that there is none.

        A reading below zero always says so too.
        """
        value, reason = self.answer or (None, "")
        below_zero = isinstance(value, int) and value < 0
        forbidding = tuple(one.text.casefold() for one in reasons if not one.allows_reading)
        says_none = reason.casefold().startswith(forbidding)
        return value is not None and bool(reason) and (says_none or below_zero)

    @property
    def account_faults(self) -> dict[str, str]:
        """What is wrong with a new account, by field. Empty fields are not wrong, only not filled yet."""
        faults = {}
        for name, trial in (("username", (self.username, "-")), ("full_name", ("a", self.full_name or "-"))):
            try:
                if getattr(self, name):
                    User(*trial)
            except UserError as error:
                faults[name] = str(error)
        if self.again and not self.password.startswith(self.again):
            faults["again"] = "This is not the same password"
        return faults


def _whole(what: str, text: str) -> int | None:
    """Return a number of a report, None for none. Raises `InvalidReport`."""
    value = as_typed(text.strip())
    if value == "":
        return None
    if isinstance(value, str):
        raise InvalidReport(
            f"Invalid {what}: {shown(value)} is not a whole number; leave it empty if you cannot see it", field=what
        )
    return value
