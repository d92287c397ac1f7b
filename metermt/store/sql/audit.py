"""The record of who did what, in SQL."""

from collections.abc import Sequence

from metermt.audit import Entry, Person, SealedEntry
from metermt.model import Account
from metermt.store.sql.accounts import COLUMNS as USER
from metermt.store.sql.accounts import row_of as row_of_account
from metermt.store.sql.dialect import Steps
from metermt.store.steps.audit import Audit, Unsealed

_TOLD = ("at", "who", "address", "what", "about", "whom", "before", "after")
_LINK = ("place", *_TOLD, "hash")
_UNSEALED = f"SELECT id, {', '.join(_TOLD)} FROM unsealed ORDER BY id LIMIT ?"
_CHAIN = f"SELECT {', '.join(_LINK)} FROM audit WHERE place > ? AND at >= ?{{}} ORDER BY place LIMIT ?"
_ALL = _CHAIN.format("")
_ABOUT = _CHAIN.format(" AND about = ?")
_OF = _CHAIN.format(" AND (who = ? OR whom = ?)")
_NAMED = (
    *(("sessions", "username"), ("tallies", "username"), ("jobs", "handed_to"), ("assignments", "username")),
    *(("leases", "username"), ("readings", "username"), ("decisions", "username"), ("exchanges", "username")),
    *(("batches", "made_by"), ("looks", "username"), ("notes", "username"), ("found", "username")),
    *(("found", "decided_by"), ("settings", "username"), ("unsealed", "who"), ("unsealed", "whom")),
)
"""The columns that have user names, besides those of names alone."""


class SqlAudit(Steps, Audit):
    """The tables `unsealed`, `audit` and `names`."""

    def add(self, entries: Sequence[Entry]) -> None:
        self._sql.insert("unsealed", _TOLD, entries)

    def may_seal(self) -> bool:
        return True  # nobody else writes meanwhile

    def unsealed(self, most: int) -> list[Unsealed]:
        return self._sql.rows(_UNSEALED, most)

    def last(self) -> tuple[int, str] | None:
        rows = self._sql.rows("SELECT place, hash FROM audit ORDER BY place DESC LIMIT 1")
        return (rows[0][0], rows[0][1]) if rows else None

    def seal(self, links: Sequence[SealedEntry], waited: Sequence[int]) -> None:
        self._sql.insert("audit", _LINK, links)
        # All up to the last one were among them: nobody else writes meanwhile.
        self._sql.rows("DELETE FROM unsealed WHERE id <= ?", waited[-1])

    def people(self) -> list[Person]:
        return [Person._make(row) for row in self._sql.rows("SELECT id, mark, salt, username FROM names ORDER BY id")]

    def name(self, people: Sequence[tuple[str, str, str]]) -> list[Person]:
        ids = self._sql.insert_numbered("names", ("mark", "salt", "username"), people) if people else ()
        return [Person(id_, *person) for id_, person in zip(ids, people, strict=True)]

    def chain(
        self, most: int, after: int = 0, *, about: str | None = None, person: int | None = None, since: str = ""
    ) -> list[SealedEntry]:
        if person is not None:
            rows = self._sql.rows(_OF, after, since, person, person, most)
        elif about is not None:
            rows = self._sql.rows(_ABOUT, after, since, about, most)
        else:
            rows = self._sql.rows(_ALL, after, since, most)
        return list(map(SealedEntry._make, rows))

    def erase(self, username: str, pseudonym: Account) -> None:
        new = pseudonym.user.username
        self._sql.insert("users", USER, [row_of_account(pseudonym)])
        for table, column in _NAMED:
            self._sql.rows(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", new, username)
        self._sql.rows("UPDATE names SET username = ?, salt = NULL WHERE username = ?", new, username)
        self._sql.delete("login_failures", "username", [username])
        self._sql.delete("users", "username", [username])
