"""Who has failed to log in, in SQL."""

from collections.abc import Iterable

from metermt.store.sql.dialect import Steps
from metermt.store.steps.people import Failures, Origin

_OF = "SELECT at FROM login_failures WHERE username = ? AND address = ? AND at > ? ORDER BY at"
_SINCE = "SELECT username, address, at FROM login_failures WHERE at > ? ORDER BY at"


class SqlFailures(Steps, Failures):
    """The table `login_failures`."""

    def of(self, username: str, address: str, since: float) -> list[float]:
        return [at for (at,) in self._sql.rows(_OF, username, address, since)]

    def since(self, since: float) -> dict[Origin, list[float]]:
        found: dict[Origin, list[float]] = {}
        for username, address, at in self._sql.rows(_SINCE, since):
            found.setdefault((username, address), []).append(at)
        return found

    def forget(self, usernames: Iterable[str]) -> None:
        self._sql.delete("login_failures", "username", usernames)

    def forget_after(self, at: float) -> None:
        self._sql.rows("DELETE FROM login_failures WHERE at > ?", at)

    def add(self, username: str, address: str, at: float, forget_before: float) -> None:
        self._sql.rows("DELETE FROM login_failures WHERE at < ?", forget_before)
        self._sql.insert("login_failures", ("username", "address", "at"), [(username, address, at)])
