"""A copy of a database in a new file."""

from pathlib import Path

import apsw

from metermt.store.sqlite.newfile import new_file


def back_up(connection: apsw.Connection, path: Path) -> None:
    """Write a copy of the database, as it stands now, to a new file; return when that is on the disk.

    Raises `StoreError` if there is something at this path or it cannot be written; then nothing is left behind.
    """
    with new_file(path, "The backup") as part:
        connection.execute("VACUUM INTO ?", (str(part),))
