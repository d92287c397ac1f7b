"""A look into a database file that changes nothing in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import apsw

from metermt.errors import NotAStore, StoreError
from metermt.store.sqlite.database import StoreErrors, newest_version, version_of

_COUNTED = ("users", "jobs", "readings")
_TOLD = 3  # of what is wrong: one fault of a disk makes hundreds
# Who has another name here than in the copy, because it was erased in one of them: the mark of a name stays.
_RENAMED = (
    "WITH renamed AS MATERIALIZED (SELECT there.username AS there, here.username AS here"
    " FROM main.names AS here JOIN copy.names AS there USING (mark) WHERE here.username <> there.username)"
)
_NAME_IN_COPY = "coalesce((SELECT here FROM renamed WHERE there = {readings}.username), {readings}.username)"
# What makes a reading one of its own, whatever ids it and its job have.
_SAID = (
    "SELECT recorded_at, cycle, meter, {name}, value, reason, read_at, key"
    " FROM {at}.readings JOIN {at}.jobs ON jobs.id = readings.job"
)
_SAID_HERE = _SAID.format(at="main", name="readings.username")
_SAID_THERE = _SAID.format(at="copy", name=_NAME_IN_COPY.format(readings="readings"))
# Most of a database and of a copy of it is the same under the same ids, and need not be compared with all there is.
_NOT_THE_SAME = (
    " WHERE NOT EXISTS (SELECT 1 FROM copy.readings AS one WHERE one.id = readings.id"
    f" AND {_NAME_IN_COPY.format(readings='one')} = readings.username"
    " AND one.recorded_at = readings.recorded_at AND one.value IS readings.value)"
)
_LACKING = (
    f"{_RENAMED} SELECT count(*), min(recorded_at), max(recorded_at)"
    f" FROM ({_SAID_HERE}{_NOT_THE_SAME} EXCEPT {_SAID_THERE})"
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a database file that is one of ours, and whole."""

    is_outdated: bool
    """Whether its schema is that of an older version, which opening it brings up to date."""
    counts: Mapping[str, int]
    """How many users, jobs and readings there are."""

    def in_words(self) -> str:
        """Tell people what there is."""
        return ", ".join(f"{count} {name[:-1] if count == 1 else name}" for name, count in self.counts.items())


def inspected(path: Path, *, quickly: bool = False) -> Inspection:
    """Read all of a database, and return what is in it. `quickly` leaves out whether its indexes fit their tables.

    Raises `NotAStore`, `StoreTooNew`, or `StoreError` if it is not there, cannot be read, or is damaged.
    """
    with opened_to_look(path) as connection:
        version = version_of(connection, path)
        if not version:
            raise NotAStore(f"{path} is empty: choose another file")
        check = "quick_check" if quickly else "integrity_check"
        problems = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({_TOLD})")]
        if problems != ["ok"]:
            raise StoreError(f"The database {path} is damaged: {'; '.join(problems)}")
        counts = {name: next(connection.execute(f"SELECT count(*) FROM {name}"))[0] for name in _COUNTED}
        return Inspection(version < newest_version(), counts)


@dataclass(frozen=True, slots=True)
class Lacking:
    """Readings that are in one database and not in another: how many, and when the first and the last were accepted.

    Times are in UTC.
    """

    count: int
    since: datetime
    until: datetime


def lacking(copy: Path, whole: Path) -> Lacking | None:
    """Return the readings of a database that a copy of it, an older one perhaps, lacks; None if there are none.

    Raises `StoreError`, also if `whole` is no database or damaged.
    """
    with opened_to_look(whole) as connection:
        if not version_of(connection, whole):
            raise NotAStore(f"{whole} is empty: choose another file")
        connection.execute("ATTACH ? AS copy", (_address(copy),))
        count, since, until = next(connection.execute(_LACKING))
        return Lacking(count, datetime.fromisoformat(since), datetime.fromisoformat(until)) if count else None


@contextmanager
def opened_to_look(path: Path) -> Iterator[apsw.Connection]:
    """Open a database to be read only. Raises `StoreError`."""
    if not path.is_file():
        raise StoreError(f"There is no database {path}")
    with StoreErrors(path):
        connection = apsw.Connection(_address(path), flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            yield connection
        finally:
            connection.close()


def _address(path: Path) -> str:
    # Without a log beside it nobody uses it, and all is in the file: then SQLite is told to make none there either.
    is_alone = not path.with_name(path.name + "-wal").exists()
    return f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if is_alone else ''}"
