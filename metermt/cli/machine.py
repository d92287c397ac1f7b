"""Checks of what lies on this machine: the files of the database, the disk, certificates, and backups."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from metermt.certificates import AUTHORITY, AUTHORITY_KEY, SERVER, SERVER_KEY, Dated, dated
from metermt.cli.findings import Finding
from metermt.config import BEFORE_RESTORE, SERVICE
from metermt.diskspace import space_at
from metermt.errors import SettingError, StoreError
from metermt.printable import counted

_SOON = timedelta(days=30)  # time to make new certificates, and to hand them over
_BACKUP_AGE = timedelta(hours=26)  # a night's backup may be late
_IN_MINUTES = 120  # up to which an age is told in minutes
_DATABASE = b"SQLite format 3\x00"


def check_files(database: Path) -> Iterator[Finding]:
    """Look at who may read and write the database's files, and at the room that they have."""
    files = [path for ending in ("", "-wal", "-shm") if (path := database.with_name(database.name + ending)).exists()]
    owner = database.stat().st_uid
    wrong = False
    for path in files:
        found = path.stat()
        if found.st_mode & 0o077:
            wrong = True
            yield Finding("rights", f"{path} can be read by others than its owner", f"chmod 600 {path}")
        if found.st_uid != owner:
            wrong = True
            yield Finding("rights", f"{path} is not of the owner of the database", f"chown {owner} {path}")
    folder = database.absolute().parent
    if folder.stat().st_mode & 0o022 and not folder.stat().st_mode & stat.S_ISVTX:
        wrong = True
        yield Finding("rights", f"others may replace files in the folder {folder}", f"chmod go-w {folder}")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        wrong = True
        yield Finding("rights", f"the folder {folder} cannot be written to", f"chown {owner} {folder}")
    if not wrong:
        yield Finding("rights", "The files of the database are its owner's only")
    space = space_at(database)
    if space.is_short():
        yield Finding("disk", f"{space.in_words()} of {folder}", f"see what takes the room: du -xh {folder} | sort -h")
    else:
        yield Finding("disk", f"{space.in_words()} of {folder}")


def check_certificates(folder: Path) -> Iterator[Finding]:
    """Look at the certificates in a folder: when they end, and who can read their keys. Nothing if there are none."""
    if not (folder / AUTHORITY).exists() and not (folder / SERVER).exists():
        return
    for key in [folder / AUTHORITY_KEY, folder / SERVER_KEY, *folder.glob("client-*.pem")]:
        if key.exists() and key.stat().st_mode & 0o077:
            yield Finding("certificates", f"the key {key} can be read by others than its owner", f"chmod 600 {key}")
    for path in sorted([folder / AUTHORITY, folder / SERVER, *folder.glob("client-*.pem")]):
        if not path.exists():
            continue
        try:
            found = dated(path)
        except SettingError as error:
            yield Finding("certificates", str(error), _renewal(path, None))
            continue
        left = found.until - datetime.now(UTC)
        if left < _SOON:
            when = "has ended" if left < timedelta(0) else f"ends in {left.days} days"
            yield Finding("certificates", f"{path} {when}", _renewal(path, found))
        else:
            yield Finding("certificates", f"{path} is good until {found.until:%Y-%m-%d}")


def _renewal(path: Path, found: Dated | None) -> str:
    """Return the command that makes a certificate anew."""
    folder = f"--folder {path.parent}"
    match path.name:
        case name if name == AUTHORITY:
            return f"move {path.parent} away and make all anew with 'metermt tls init', also those of the clients"
        case name if name == SERVER:
            *hosts, service = found.hosts if found and found.hosts else ["HOST", SERVICE]  # as they were put into it
            names = [f"--host {host}" for host in hosts] + ([] if service == SERVICE else [f"--name {service}"])
            return f"metermt tls init {' '.join(names)} {folder}, and restart the server"
    return f"metermt tls client {path.stem.removeprefix('client-')} {folder}"


def check_backups(folder: Path, database: str) -> Finding:
    """Look at how old the newest backup in a folder is, and into it: whether it is one of ours, and whole."""
    mend = f"metermt backup {folder}/metermt-$(date +%F).db --verify --database {database}"
    if not folder.is_dir():
        return Finding("backup", f"There is no folder {folder}", f"mkdir {folder}, or mount the disk of the backups")
    served = Path(database).resolve()
    backups = [path for path in folder.glob("*") if path.is_file() and not _is_of(served, path) and _is_database(path)]
    if not backups:
        return Finding("backup", f"There is no backup in {folder}", mend)
    newest = max(backups, key=lambda path: path.stat().st_mtime)
    age = datetime.now(UTC) - datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    words = f"the newest backup, {newest}, was written {_ago(age)}"
    if age > _BACKUP_AGE:
        return Finding("backup", words, mend)
    from metermt.store.sqlite.inspection import inspected  # noqa: PLC0415 - 10 ms that no other check owes

    try:
        found = inspected(newest, quickly=True)
    except StoreError as error:
        return Finding("backup", f"{words}, and is of no use. {error}", mend)
    return Finding("backup", f"{words}, and is whole: {found.in_words()}")


def _ago(age: timedelta) -> str:
    """Say how long ago something was."""
    minutes = age // timedelta(minutes=1)
    if minutes < 1:
        return "just now"
    if minutes < _IN_MINUTES:
        return f"{counted(minutes, 'minute')} ago"
    return f"{minutes // 60} hours ago"


def _is_of(served: Path, path: Path) -> bool:
    """Tell whether a file is the database itself, or one that a restore has put aside: neither is a backup of it."""
    found = path.resolve()
    return found == served or (found.parent == served.parent and found.name.startswith(served.stem + BEFORE_RESTORE))


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_DATABASE)) == _DATABASE
    except PermissionError:  # it is told when it is looked into
        return True
