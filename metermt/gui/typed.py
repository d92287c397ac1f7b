"""What stands in the fields of the window."""

from dataclasses import dataclass

from metermt.errors import UserError
from metermt.model import User
from metermt.rules.answers import as_typed

READ = "Read"
"""The reason that is none: there is a reading."""
NO_READING = ("Refused entry", "No access", "Failed to find meter")
"""The reasons that say that there is none."""
REASONS = (READ, *NO_READING)


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

    @property
    def answer(self) -> tuple[int | str | None, str] | None:
        """The reading, None without one, and the reason, empty without one. None if there is neither.

        A reading that is not a whole number is the text that was typed: `metermt.rules.answers.judged` says what is
        wrong with it.
        """
        reading, reason = self.reading.strip(), self.reason.strip()
        if reason.lower() == READ.lower():
            reason = ""
        if reading:
            return as_typed(reading), reason
        return (None, reason) if reason else None

    @property
    def contradicts_itself(self) -> bool:
        """There is a reading, and a reason that says that there is none. A reading below zero always says so too."""
        value, reason = self.answer or (None, "")
        below_zero = isinstance(value, int) and value < 0
        says_none = reason.lower().startswith(tuple(map(str.lower, NO_READING)))
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
