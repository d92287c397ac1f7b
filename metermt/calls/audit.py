"""The record of who did what: entries are given their places in a chain of hashes, shown, and looked at for changes."""

import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from metermt.audit import Person, SealedEntry, Shown, Verified, What
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.desk import Desk
from metermt.calls.table import always, call
from metermt.calls.turn import Turn
from metermt.model import Role
from metermt.names import is_username
from metermt.rules.chain import START, Verification, hash_of, mark_of, marks_of
from metermt.store.base import Store, Tx
from metermt.store.steps.audit import Unsealed

_A_PART = 500  # entries that are sealed in one transaction, some milliseconds for which readers wait
_ALL = 10**9  # more entries than ever wait


@dataclass(frozen=True, slots=True)
class Entries:
    """Which entries are asked for: those from after a place."""

    after: int = 0
    subject: str | None = None
    """About a meter, a cycle, a route or a batch, or by or about a user, whose name takes precedence; None for all."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verifying:
    """A hash that was noted earlier, which must be that of an entry; None for none."""

    noted: str | None = None


@call(Role.ADMIN, Weight.READ, is_large=always)
def list_entries(turn: Turn, ask: Ask[Entries]) -> list[Shown]:
    """Return up to 1,000 entries of the record, in the order of the chain, from after a place.

    What was done in the last seconds has no place yet.
    """
    asked, audit = ask.request, turn.tx.audit
    people = audit.people()
    since = asked.since.astimezone(UTC).isoformat() if asked.since else ""
    if asked.subject is None:
        links = audit.chain(MAX_ITEMS, asked.after, since=since)
    elif found := [person for person in people if person.username == asked.subject]:
        links = audit.chain(MAX_ITEMS, asked.after, person=found[0].id, since=since)
    elif is_username(asked.subject) and turn.tx.accounts.find([asked.subject]):
        links = []  # who has done nothing yet
    else:
        links = audit.chain(MAX_ITEMS, asked.after, about=asked.subject, since=since)
    known = {person.id: person for person in people}
    return [_shown(link, known) for link in links]


@call(Role.ADMIN, Weight.LONG)
def verify_audit(desk: Desk, ask: Ask[Verifying]) -> Verified:
    """Look at the whole record: is each entry the one that was put there, and did what was noted come by?"""
    seal(desk.store)
    verification = Verification(ask.request.noted)
    is_over = False
    while not is_over:
        is_over = desk.store.read(lambda tx: _verified_part(tx, verification))
    return Verified(verification.count, verification.hash, verification.fault)


def seal(store: Store, parts: int = sys.maxsize) -> None:
    """Give the entries that wait their places in the chain, unless somebody else is at it.

    All of them, or so many parts of 500, for whoever has something else to do. Raises `StoreError`.
    """
    if not store.read(lambda tx: tx.audit.unsealed(1)):
        return
    for _ in range(parts):
        if not store.write(_seal_part):
            break


def _seal_part(tx: Tx) -> bool:
    """Give some entries their places; return whether there may be more."""
    audit = tx.audit
    if not audit.may_seal():
        return False
    waiting = audit.unsealed(_A_PART)
    if not waiting:
        return False
    people = _named(tx, waiting)
    marks = marks_of(people.values())
    place, last = audit.last() or (0, START)
    ids = {"": None, **{name: person.id for name, person in people.items()}}
    links = []
    for _, at, who, address, what, about, whom, before, after in waiting:
        by, of = ids[who], ids[whom]
        last = hash_of(last, at, marks[by], address, what, about, marks[of], before, after)
        place += 1
        links.append(SealedEntry(place, at, by, address, what, about, of, before, after, last))
    audit.seal(links, [id_ for id_, *_ in waiting])
    return len(waiting) == _A_PART


def _named(tx: Tx, waiting: Iterable[Unsealed]) -> dict[str, Person]:
    """Return people by user name, those in these entries added."""
    people = {person.username: person for person in tx.audit.people()}
    new = sorted({name for _, _, who, _, _, _, whom, _, _ in waiting for name in (who, whom)} - {"", *people})
    salts = [secrets.token_hex(16) for _ in new]
    rows = [(mark_of(salt, name), salt, name) for salt, name in zip(salts, new, strict=True)]
    return people | {person.username: person for person in tx.audit.name(rows)}


def _verified_part(tx: Tx, verification: Verification) -> bool:
    """Go on along the chain; return whether that was all of it."""
    people = tx.audit.people()
    links = tx.audit.chain(MAX_ITEMS, verification.count)
    verification.walk(links, people)
    if verification.fault is None and len(links) == MAX_ITEMS:
        return False
    waiting = tx.audit.unsealed(_ALL)
    verification.end(people, {whom for _, _, _, _, what, _, whom, _, _ in waiting if what == What.ERASED})
    return True


def _shown(link: SealedEntry, people: dict[int, Person]) -> Shown:
    who, whom = (people.get(one or 0, _NOBODY) for one in (link.who, link.whom))
    named = link._asdict() | {"who": who.username, "whom": whom.username}
    return Shown(**named, who_mark=who.mark, whom_mark=whom.mark)


_NOBODY = Person(0, "", None, "")
