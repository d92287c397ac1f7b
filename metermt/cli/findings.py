"""What a check of the machine has found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` is what to do about it, empty if it is well."""

    check: str
    """What was looked at, in a word: `database`, `disk`, `port` …"""
    text: str
    mend: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nothing needs to be done."""
        return not self.mend
