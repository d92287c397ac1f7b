"""What stands in the fields of the window."""

import re
from dataclasses import dataclass

from metermt.errors import UserError
from metermt.model import User

READ = "Read"
"""The reason that is none: there is a reading."""
REASONS = (READ, "Refused entry", "No access", "Failed to find meter")

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")  # as the console takes it; every part can carry so many digits


@dataclass(frozen=True, slots=True)
class Typed:
    """The texts of all fields, named as they are."""

    username: str = ""
    password: str = ""
    full_name: str = ""
    again: str = ""
    reading: str = ""
    reason: str = READ

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
            return (int(reading) if _WHOLE_NUMBER.fullmatch(reading) else reading), reason
        return (None, reason) if reason else None

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
