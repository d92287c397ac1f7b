"""What several commands share: their options, and how errors end them."""

import getpass
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from metermt.cli.hints import HintingGroup
from metermt.config import DATABASE_VARIABLE, IN_MEMORY, PORT, DatabaseLocation, default_database, is_url
from metermt.errors import Error, RoleError, SettingError, UserError
from metermt.printable import printable

_FILE = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])


class Register(click.IntRange):
    """A value of a register."""

    name = "whole number"  # what an error says of it

    def __init__(self) -> None:
        super().__init__(min=0)


class MeterCommand(click.Command):
    """A command that ends with one line, `Error: …`, and exit status 1 when MeterMT raises an error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RoleError as error:  # it names a call, which programs know
            _, _, whom = str(error).partition(" is for ")
            raise click.ClickException(printable(f"{_typed(ctx)} is for {whom}")) from error
        except Error as error:
            raise click.ClickException(printable(str(error))) from error


def _typed(context: click.Context) -> str:
    """Return which command that is, however the program was started: `metermt cycles open`."""
    return f"{_typed(context.parent)} {context.info_name}" if context.parent else "metermt"


class MeterGroup(HintingGroup):
    """A group of such commands."""

    command_class = MeterCommand


def address_options(use: str, of_port: str = "") -> Callable[[F], F]:
    """Add -h/--host and -p/--port; `of_port` is what else their help says of the port."""

    def add(command: F) -> F:
        host = click.option("-h", "--host", default="localhost", show_default=True, help=f"The host to {use}.")
        port = click.option(
            "-p",
            "--port",
            type=int,
            default=PORT,
            show_default=True,
            metavar="PORT",
            help=f"The port to {use}{of_port}.",
        )
        return host(port(command))

    return add


def servers_option(words: str) -> Callable[[F], F]:
    """Add --server, a list of servers that share one database."""
    return click.option(
        "--server", "servers", multiple=True, callback=_check_servers, metavar="HOST[:PORT],…", help=words
    )


def tls_options(command: F) -> F:
    """Add --tls-ca and --tls-cert, by which a client trusts a server and is trusted."""
    authority = click.option(
        "--tls-ca", type=_FILE, help="Encrypt; the server's certificate must be of this authority (PEM)."
    )
    certificate = click.option(
        "--tls-cert", type=_FILE, help="Your certificate with its key (PEM), for a server that asks for one."
    )
    return authority(certificate(command))


def database_option(command: F) -> F:
    """Add --database for a command that works on an existing or new database."""
    return click.option(
        "--database",
        type=Database(),
        default=default_database,
        envvar=DATABASE_VARIABLE,
        callback=_check_option,
        help="The database: a file, or postgresql://USER@HOST/NAME.  [default: the one that `metermt serve` uses]",
    )(command)


class Database(click.ParamType[DatabaseLocation]):
    """A file, or the URL of a PostgreSQL database."""

    name = "FILE|URL"

    def convert(self, value: DatabaseLocation, _parameter: object, _context: object) -> DatabaseLocation:
        """Return what was given, as a `Path` if it is a file."""
        return value if is_url(value) else Path(value)


def check_database(
    context: click.Context, parameter: click.Parameter, database: DatabaseLocation | None
) -> DatabaseLocation | None:
    """Refuse a password on the command line, which all on this machine can read."""
    typed = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if typed and re.search(r"://[^/@]*:[^/@]*@|\bpassword=", str(database)):
        raise click.BadParameter(
            "whoever is on this machine can read a password that stands in it: "
            f"give the URL in {DATABASE_VARIABLE}, or keep the password in ~/.pgpass or in a service file"
        )
    return database


def check_told_database(
    context: click.Context, parameter: click.Parameter, database: DatabaseLocation | None
) -> DatabaseLocation | None:
    """Refuse what no other program can reach, and a password, for which the environment has no variable there."""
    check_shared(database)
    try:
        return check_database(context, parameter, database)
    except click.BadParameter as error:
        raise click.BadParameter(
            "whoever is on this machine can read a password that stands in it: keep the password in ~/.pgpass,"
            " or in a service file (~/.pg_service.conf) and say service=NAME"
        ) from error


def _check_servers(_context: object, _parameter: object, servers: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no server before a window opens."""
    if servers:
        from metermt.client.reaching import listed  # noqa: PLC0415 - and RPyC with it, which most commands do without

        try:
            listed(servers)
        except SettingError as error:
            raise click.BadParameter(str(error)) from error
    return servers


def login_name() -> str:
    """Return the name that whoever runs this program is logged in by on this machine, empty if nobody is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # as in some containers
        return ""


def password_from_stdin() -> str:
    """Return the next line of standard input. Raises `UserError` if it is no text, which no client could send."""
    try:
        password = sys.stdin.readline().rstrip("\r\n")
        password.encode()  # where Python reads leniently it finds out here
    except UnicodeError as error:
        raise UserError(f"The password on standard input is no text: write it in {sys.stdin.encoding}") from error
    return password


def check_shared(database: DatabaseLocation | None) -> None:
    """Refuse what no other program can reach."""
    if str(database) == IN_MEMORY:
        raise click.BadParameter("what a server keeps in :memory: can be reached through that server only")


def _check_option(
    context: click.Context, parameter: click.Parameter, database: DatabaseLocation | None
) -> DatabaseLocation | None:
    check_shared(database)
    return check_database(context, parameter, database)
