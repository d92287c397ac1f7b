"""A copy of a whole database in a new one, which may be of the other kind."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path

from metermt.config import DatabaseLocation, is_url
from metermt.errors import StoreError
from metermt.store.opening import postgres_packages
from metermt.store.sql.dialect import Row
from metermt.store.tables import Table, Tables

Progress = Callable[[int, int], None]
"""Is told now and then how many rows were written or read back, of how many that are to be."""

_Opened = Callable[[], AbstractContextManager[Tables]]
_STEP = 1000  # rows from one word of progress to the next


def copy_database(source: DatabaseLocation, target: DatabaseLocation, progress: Progress) -> dict[str, int]:
    """Copy all that is in a database, as it stands now, into a new one; return the number of rows of each table.

    All ids stay as they are. The servers that run on the source, and who is connected to them, are not copied. Every
    row is read back before the copy is there; it is there whole, and on the disk, or not at all. Raises `StoreError`,
    also if there is something in the target, which is left as it is then.
    """
    (snapshot_of_source, _), (_, new_target) = _ways(source), _ways(target)
    with snapshot_of_source() as old, new_target() as new:
        tables = [_without_servers(table) for table in old.all() if table.name != "servers"]
        counts = {table.name: old.count(table) for table in tables}
        steps = _Steps(progress, 2 * sum(counts.values()))
        read: dict[str, _Passing] = {}
        for table in tables:
            with closing(old.rows(table)) as rows:
                read[table.name] = _Passing(rows, steps)
                new.put(table, read[table.name])
        new.complete()
        for table in tables:
            with closing(new.rows(table)) as rows:
                back = _Passing(rows, steps)
                deque(back, maxlen=0)
            _check(table.name, counts[table.name], read[table.name], back)
        return counts


def _check(table: str, there: int, read: "_Passing", back: "_Passing") -> None:
    """Raise `StoreError` unless the rows that were read back are those that were read, which are all that are there."""
    if (read.count, read.sum) != (back.count, back.sum) or read.count != there:
        raise StoreError(
            f"The table {table} was not copied as it is, so nothing was:"
            f" {there} rows there, {read.count} read, {back.count} in the copy"
        )


def _ways(location: DatabaseLocation) -> tuple[_Opened, _Opened]:
    """Return what opens a snapshot of a database, and what makes a new one."""
    if is_url(location):
        with postgres_packages():
            from metermt.store.postgres import tables as postgres  # noqa: PLC0415 - as in `open_store`
        return partial(postgres.snapshot_of, location), partial(postgres.new_database, location)
    from metermt.store.sqlite import tables as sqlite  # noqa: PLC0415 - likewise

    return partial(sqlite.snapshot_of, Path(location)), partial(sqlite.new_database, Path(location))


def _without_servers(table: Table) -> Table:
    """Leave out what says which server somebody is connected to: in the copy nobody is."""
    if table.name != "sessions":
        return table
    return table._replace(columns=tuple(column for column in table.columns if column != "server"))


class _Steps:
    """How far the copy is."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._done, self._total = 0, total

    def take(self, rows: int) -> None:
        """Go on by so many rows."""
        self._done += rows
        self._progress(self._done, self._total)


class _Passing:
    """Rows that pass by once: they are counted, and summed up to what is the same for the same rows in any order."""

    def __init__(self, rows: Iterable[Row], steps: _Steps) -> None:
        self._rows = rows
        self._steps = steps
        self.count = 0
        self.sum = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            self.sum += hash(row)
            if not self.count % _STEP:
                self._steps.take(_STEP)
            yield row
        self._steps.take(self.count % _STEP)
