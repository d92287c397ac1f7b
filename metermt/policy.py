"""What a utility may set about logins and leases."""

from dataclasses import dataclass
from datetime import time, timedelta

from metermt.errors import SettingError


@dataclass(frozen=True, slots=True)
class Policy:
    """How long logins and leases last, and how many wrong passwords are too many. Raises `SettingError`."""

    session_idle: timedelta = timedelta(hours=12)
    """A session that was not used for this long has expired."""
    lease: timedelta = timedelta(minutes=30)
    """How long a job stays with the reader it was handed to."""
    day_ends: time = time(0)
    """When a reader's day ends, by the time zone of this machine: until then they have the jobs of routes of theirs."""
    shows_expected: bool = False
    """Whether readers see what a meter showed last, and what is usual by now, before they type."""
    login_failures: int = 10
    """Wrong passwords for one name from one address within `login_window` before both must wait."""
    login_window: timedelta = timedelta(minutes=15)

    def __post_init__(self) -> None:
        for what, length in (("session", self.session_idle), ("lease", self.lease)):
            if not timedelta(seconds=1) <= length <= timedelta(days=366):
                raise SettingError(f"Invalid {what} time {length}: use one second to a year")
