"""Databases that a command is told of by hand, one or two of them."""

import click

from metermt.cli.common import check_database, check_shared
from metermt.config import DatabasePlace


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
