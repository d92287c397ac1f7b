"""Databases that a command is told of by hand, one or two of them."""

import click

from metermt.cli.common import check_database
from metermt.config import IN_MEMORY, DatabasePlace


def check_place(
    context: click.Context, parameter: click.Parameter, place: DatabasePlace | None
) -> DatabasePlace | None:
    """Refuse what no other program can reach, and a password, for which the environment has no variable here."""
    if str(place) == IN_MEMORY:
        raise click.BadParameter("what a server keeps in :memory: can be reached through that server only")
    try:
        return check_database(context, parameter, place)
    except click.BadParameter as error:
        raise click.BadParameter(
            "whoever is on this machine can read a password that stands in it: keep the password in ~/.pgpass,"
            " or in a service file (~/.pg_service.conf) and say service=NAME"
        ) from error
