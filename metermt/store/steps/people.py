"""The steps of a transaction that are about people and what they are connected to; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from metermt.model import Account, Server, Session, User

Origin = tuple[str, str]
"""A user name as it was typed, and the address that it was typed at."""


class Accounts(ABC):
    """Who there is."""

    @abstractmethod
    def find(self, usernames: Iterable[str]) -> dict[str, Account]:
        """Return those of these accounts that there are, by user name."""

    @abstractmethod
    def disabled(self, usernames: Iterable[str]) -> set[str]:
        """Return which of these users are disabled."""

    def there(self, usernames: Iterable[str]) -> set[str]:
        """Return which of these users there are.

        In a transaction that may keep something nobody else changes or erases them before it has ended; others may look
        at them meanwhile.
        """
        return set(self.find(usernames))

    @abstractmethod
    def users(self) -> list[User]:
        """Return all users, sorted by name."""

    @abstractmethod
    def put(self, accounts: Iterable[Account]) -> None:
        """Add accounts; one whose name is there already replaces it."""

    @abstractmethod
    def last_used(self, usernames: Iterable[str]) -> dict[str, float]:
        """Return when a session of each of these users was used last, by user name, as far as any is remembered."""


class Sessions(ABC):
    """Who is logged in."""

    @abstractmethod
    def find(self, keys: Iterable[str]) -> dict[str, Session]:
        """Return those of these sessions that have not ended, by key.

        In a transaction that may keep something nobody else changes their users, or disables them, before it has ended.
        """

    @abstractmethod
    def add(self, sessions: Iterable[Session]) -> None:
        """Remember new sessions."""

    @abstractmethod
    def note(self, used: Mapping[str, float], server: str) -> None:
        """Remember when sessions were last used, by key, and that their readers are connected to this server.

        Those that are unknown or have ended stay so.
        """

    @abstractmethod
    def leave(self, keys: Iterable[str], server: str) -> None:
        """Remember that nobody is connected with these sessions, as far as this server was the last."""

    @abstractmethod
    def leave_all(self, server: str) -> None:
        """Do so for all sessions of a server."""

    @abstractmethod
    def end(self, keys: Iterable[str]) -> None:
        """End sessions. What they hold is left to their readers."""

    @abstractmethod
    def of(self, usernames: Iterable[str]) -> list[str]:
        """Return the keys of all sessions of these users, ended ones that still hold jobs included."""

    @abstractmethod
    def but_latest(self, username: str, most: int) -> list[str]:
        """Return the keys of a user's sessions that have not ended, but for so many that were used last."""

    @abstractmethod
    def set_back(self, after: float, to: float) -> None:
        """Say of the sessions that were used after a time that they were last used at another one."""

    @abstractmethod
    def forget(self, idle_since: float) -> None:
        """Forget those not used since then, and those that have ended, unless they hold jobs."""


class Failures(ABC):
    """Who has failed to log in: wrong passwords."""

    @abstractmethod
    def of(self, username: str, address: str, since: float) -> list[float]:
        """Return when this name failed to log in from this address after `since`, oldest first."""

    @abstractmethod
    def since(self, since: float) -> dict[Origin, list[float]]:
        """Return when anybody failed to log in after `since`, oldest first, by name and address."""

    @abstractmethod
    def forget(self, usernames: Iterable[str]) -> None:
        """Forget the failed logins of these names, from wherever."""

    @abstractmethod
    def forget_after(self, at: float) -> None:
        """Forget the failed logins of anybody from after that time."""

    @abstractmethod
    def add(self, username: str, address: str, at: float, forget_before: float) -> None:
        """Remember a wrong password, and forget those of anybody from before `forget_before`."""


class Servers(ABC):
    """Which servers share the store."""

    @abstractmethod
    def note(self, server: Server) -> None:
        """Remember that a server is alive, in place of what was known of it."""

    @abstractmethod
    def all(self) -> list[Server]:
        """Return all that were not forgotten, sorted by name."""

    @abstractmethod
    def forget(self, names: Iterable[str]) -> None:
        """Forget servers."""
