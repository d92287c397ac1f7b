"""Files that must not be written over: those of a database, keys, and what is in the outbox."""

import os
from pathlib import Path

from metermt.config import DatabaseLocation, default_outbox, default_tls_folder, is_url
from metermt.errors import SettingError


def check_apart(file: Path, database: DatabaseLocation) -> None:
    """Refuse to write into a file of the database, a key beside it, or the outbox. Raises `SettingError`."""
    check_no_key(file, default_tls_folder(database))
    if Path(os.path.realpath(file)).is_relative_to(os.path.realpath(default_outbox())):
        raise SettingError(f"{file} is in the outbox of this device: choose another place")
    if is_url(database):
        return
    own = [Path(f"{database}{ending}") for ending in ("", "-wal", "-shm", "-journal")]
    if any(_are_one(file, one) for one in own):
        raise SettingError(f"{file} belongs to the database {database}: choose another name")


def check_no_key(file: Path, *places: Path | None) -> None:
    """Refuse to write into a key or a certificate: one of these files, or those in one of these folders.

    Raises `SettingError`.
    """
    for place in places:
        if place and (_are_one(file, place) or any(_are_one(file, one) for one in _keys_in(place, file.name))):
            raise SettingError(f"{file} is a key or a certificate: choose another name")


def _keys_in(folder: Path, name: str) -> list[Path]:
    """Return the keys and certificates in a folder, with one of this name that may be made there later."""
    return [*folder.glob("*.pem"), *([folder / name] if name.endswith(".pem") else [])]


def _are_one(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False
