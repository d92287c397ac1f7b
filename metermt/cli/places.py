"""Databases that a command is told of by hand, one or two of them; and files that must not be one."""

import os
from pathlib import Path

import click

from metermt.cli.common import check_database, check_shared
from metermt.config import DatabasePlace, is_url
from metermt.errors import SettingError


def check_place(
    context: click.Context, parameter: click.Parameter, place: DatabasePlace | None
) -> DatabasePlace | None:
    """Refuse what no other program can reach, and a password, for which the environment has no variable here."""
    check_shared(place)
    try:
        return check_database(context, parameter, place)
    except click.BadParameter as error:
        raise click.BadParameter(
            "whoever is on this machine can read a password that stands in it: keep the password in ~/.pgpass,"
            " or in a service file (~/.pg_service.conf) and say service=NAME"
        ) from error


def check_apart(file: Path, database: DatabasePlace) -> None:
    """Refuse to write into a file that belongs to the database. Raises `SettingError`."""
    if is_url(database):
        return
    own = [f"{database}{ending}" for ending in ("", "-wal", "-shm", "-journal")]
    if os.path.realpath(file) in map(os.path.realpath, own) or any(_are_one(file, Path(name)) for name in own):
        raise SettingError(f"{file} belongs to the database {database}: choose another name")


def _are_one(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False
