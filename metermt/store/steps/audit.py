"""The steps of a transaction that are about the record of who did what; see `metermt.store.steps`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from metermt.audit import Entry, Person, SealedEntry
from metermt.model import Account

Unsealed = tuple[int, str, str, str, str, str, str, str, str]
"""An entry that waits for its place in the chain, as it stands in the store: an id, and what `Entry` has."""


class Audit(ABC):
    """The record, to which entries are only ever added; what was added is given its place in the chain later."""

    @abstractmethod
    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries."""

    @abstractmethod
    def may_seal(self) -> bool:
        """Tell whether nobody else gives places until the transaction ends. It waits for nobody."""

    @abstractmethod
    def unsealed(self, most: int) -> list[Unsealed]:
        """Return the first entries without a place, in the order in which they were added, as far as that is known."""

    @abstractmethod
    def last(self) -> tuple[int, str] | None:
        """Return the place and the hash of the last entry in the chain, None if there is none."""

    @abstractmethod
    def seal(self, links: Sequence[SealedEntry], waited: Sequence[int]) -> None:
        """Put entries at their places in the chain: all that `unsealed` has returned, under these ids."""

    @abstractmethod
    def people(self) -> list[Person]:
        """Return all who are named in the chain, by id."""

    @abstractmethod
    def name(self, people: Sequence[tuple[str, str, str]]) -> list[Person]:
        """Add people, by mark, salt and user name; return them."""

    @abstractmethod
    def chain(
        self, most: int, after: int = 0, *, about: str | None = None, person: int | None = None, since: str = ""
    ) -> list[SealedEntry]:
        """Return the first entries in the chain from after a place.

        All of them, or those about a meter, cycle, route or batch, or those by or about a person; from a time on, as an
        ISO 8601 text in UTC.
        """

    @abstractmethod
    def erase(self, username: str, pseudonym: Account) -> None:
        """Have all that names a user name this new account instead; the user is gone.

        Lines that billing was given stay as they are.
        """
