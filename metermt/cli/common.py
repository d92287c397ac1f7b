"""What several commands share: their options, and how errors end them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from metermt.config import IN_MEMORY, PORT, default_database
from metermt.errors import Error

F = TypeVar("F", bound=Callable[..., Any])


class MeterCommand(click.Command):
    """A command that ends with one line, `Error: …`, and exit status 1 when MeterMT raises an error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Error as error:
            raise click.ClickException(str(error)) from error


class MeterGroup(click.Group):
    """A group of such commands."""

    command_class = MeterCommand


def address_options(use: str) -> Callable[[F], F]:
    """Add -h/--host and -p/--port."""

    def add(command: F) -> F:
        host = click.option("-h", "--host", default="localhost", show_default=True, help=f"The host to {use}.")
        port = click.option(
            "-p", "--port", type=int, default=PORT, show_default=True, metavar="PORT", help=f"The port to {use}."
        )
        return host(port(command))

    return add


def database_option(command: F) -> F:
    """Add --database for a command that works on an existing or new database file."""
    return click.option(
        "--database",
        type=click.Path(path_type=Path),
        default=default_database,
        envvar="METERMT_DATABASE",
        show_default="the one that `metermt serve` uses",
        callback=_check_file,
        help="The database file.",
    )(command)


def _check_file(_ctx: click.Context, _parameter: click.Parameter, database: Path) -> Path:
    if str(database) == IN_MEMORY:
        raise click.BadParameter("what a server keeps in memory can be reached through that server only")
    return database
