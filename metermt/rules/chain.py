"""The chain of the record: each entry has a hash of itself and of the one before it.

What was changed, removed, swapped or inserted is found by it. Somebody who owns the database can compute the whole
chain anew; hence the last hash is to be noted elsewhere.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping

import msgspec

from metermt.audit import Person, SealedEntry, What
from metermt.names import is_pseudonym

START = "0" * 64
"""What stands before the first entry."""
NOBODY = ""
"""The mark of whoever has no name."""
_as_json = msgspec.json.Encoder().encode


def mark_of(salt: str, username: str) -> str:
    """Return what stands in the chain for a name: SHA-256 of `SALT:NAME`. Without the salt nobody can tell whose."""
    return hashlib.sha256(f"{salt}:{username}".encode()).hexdigest()


def hash_of(previous: str, *entry: str) -> str:
    """Return the hash of an entry behind another one; the entry is given by its texts, with the marks of its people.

    SHA-256, in hexadecimal digits, of the hash before it and the canonical text of the entry: a JSON list in UTF-8
    without blanks, `["at","who","address","what","about","whom","before","after"]`, in which nothing is escaped but
    quotes, backslashes and control characters.
    """
    return hashlib.sha256(previous.encode() + _as_json(entry)).hexdigest()


class Verification:
    """A walk along the chain, up to what is wrong with it. `noted` is a hash that must come by."""

    def __init__(self, noted: str | None = None) -> None:
        self.count, self.hash = 0, START
        self.fault: str | None = None
        self._marks: Mapping[int | None, str] = {}
        self._erased: set[int | None] = set()
        self._noted = noted if noted != START else None

    def walk(self, links: Iterable[SealedEntry], people: Iterable[Person]) -> None:
        """Look at the entries that come next, among which these people are. Nothing is looked at behind a fault."""
        self._marks = marks_of(people)
        for link in links:
            if self.fault is None:
                self.fault = self._step(link)

    def end(self, people: Iterable[Person], about_to_be_erased: Collection[str]) -> None:
        """Look at the names, and for what was noted, at the end of the chain.

        Of some who were erased that is not in the chain yet; they are named by their pseudonyms.
        """
        if self.fault:
            return
        for person in people:
            self.fault = self.fault or self._fault_of(person, about_to_be_erased)
        if self._noted and not self.fault:
            self.fault = f"No entry has the hash {self._noted}: the chain was made anew, or its end is gone"

    def _step(self, link: SealedEntry) -> str | None:
        place, at, who, address, what, about, whom, before, after, hash_ = link
        if place != self.count + 1:
            return f"Entry {self.count + 1} is missing: {place} comes behind {self.count}"
        for one in (who, whom):
            if one not in self._marks:
                return f"Entry {place} ({_shown(link)}) names somebody who is not in the list of names: {one}"
        marks = self._marks
        found = hash_of(self.hash, at, marks[who], address, what, about, marks[whom], before, after)
        if found != hash_:
            return f"Entry {place} ({_shown(link)}) is not the one that was put there"
        self.count, self.hash = place, found
        if what == What.ERASED:
            self._erased.add(whom)
        if found == self._noted:
            self._noted = None
        return None

    def _fault_of(self, person: Person, waiting: Collection[str]) -> str | None:
        if person.salt is not None:
            right = mark_of(person.salt, person.username) == person.mark
        else:
            is_told = person.id in self._erased or person.username in waiting
            right = is_pseudonym(person.username) and is_told
        if right:
            return None
        return f"The name {person.username!r} is not the one that the entries of person {person.id} were made with"


def marks_of(people: Iterable[Person]) -> Mapping[int | None, str]:
    """Return the marks of people by their ids, and of nobody."""
    return {None: NOBODY, **{person.id: person.mark for person in people}}


def _shown(link: SealedEntry) -> str:
    return " ".join(filter(None, (link.at, link.what, link.about)))[:120]
