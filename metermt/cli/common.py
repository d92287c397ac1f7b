"""What several commands share: their options, and how errors end them."""

import functools
import getpass
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from metermt.cli.hints import HintingGroup
from metermt.client import MeterClient, connect
from metermt.clientsettings import from_environment, from_file, joined, settings_files
from metermt.config import DATABASE_VARIABLE, IN_MEMORY, PORT, SERVICE, DatabasePlace, default_database, is_url
from metermt.errors import Error, SettingError
from metermt.printable import printable
from metermt.reaching import listed

_FILE = click.Path(path_type=Path)
_WAYS = ("servers", "service", "registry", "tls_ca", "tls_cert", "ssh")
F = TypeVar("F", bound=Callable[..., Any])


class MeterCommand(click.Command):
    """A command that ends with one line, `Error: …`, and exit status 1 when MeterMT raises an error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Error as error:
            raise click.ClickException(printable(str(error))) from error


class MeterGroup(HintingGroup):
    """A group of such commands."""

    command_class = MeterCommand


@dataclass(frozen=True, slots=True)
class Target:
    """Which server the options name, and how it is reached. Calling it connects, as `metermt.connect` does."""

    host: str
    port: int
    ways: dict[str, Any]
    """The options beyond host and port, None where not given."""

    @property
    def is_direct(self) -> bool:
        """Tell whether the server is reached by host and port alone."""
        return not any(self.ways.values())

    def __call__(self) -> MeterClient:
        """Connect."""
        return self._connected(outbox=False)

    def with_outbox(self) -> MeterClient:
        """Connect, for a reader: what they type is kept on this device until the server has accepted it."""
        return self._connected(outbox=True)

    def _connected(self, *, outbox: bool) -> MeterClient:
        address = () if self.ways.get("servers") else (self.host, self.port)
        return connect(*address, **self.ways, outbox=outbox)


def address_options(use: str) -> Callable[[F], F]:
    """Add -h/--host and -p/--port."""

    def add(command: F) -> F:
        host = click.option("-h", "--host", default="localhost", show_default=True, help=f"The host to {use}.")
        port = click.option(
            "-p", "--port", type=int, default=PORT, show_default=True, metavar="PORT", help=f"The port to {use}."
        )
        return host(port(command))

    return add


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which server, by address or by name; the command gets `connect`, to connect to it.

    What is not typed may stand in variables and files: see `metermt.clientsettings`.
    """

    @address_options("connect to")
    @servers_option("Use any of these servers instead, and another one when it fails; they share one database.")
    @click.option("--service", metavar="NAME", help=f"Find it by name instead.  [default with --registry: {SERVICE}]")
    @click.option(
        "--registry",
        metavar="HOST[:PORT],…",
        help="Where the registries are that know the name; 'tcp:' before the host uses TCP."
        "  [default with --service: localhost]",
    )
    @tls_options
    @click.option("--ssh", metavar="USER@HOST", help="Log in there with ssh, and reach host and port from there.")
    @functools.wraps(command)
    def with_target(**options: Any) -> Any:
        said = {name: options.pop(name) for name in ("host", "port", *_WAYS)}
        if said["servers"] and (others := _typed("host", "port", "service", "registry", "ssh")):
            raise click.UsageError(f"--server lists the servers: leave {', '.join(others)} away")
        return command(connect=target_of(said), **options)

    return with_target


def target_of(said: Mapping[str, Any]) -> Target:
    """Return the server that these options of a command name, with what variables and files say beyond."""
    typed = {_setting_of(name): said[name] for name in said if _typed(name)}
    found = joined(typed, from_environment(os.environ), *map(from_file, settings_files()))
    ways = {name: found.get(_setting_of(name)) for name in _WAYS}
    if ways["registry"] and not ways["service"]:
        ways["service"] = SERVICE
    return Target(found.get("host", "localhost"), found.get("port", PORT), ways)


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
        show_default="the one that `metermt serve` uses",
        callback=_check_option,
        help="The database: a file, or postgresql://USER@HOST/NAME.",
    )(command)


class Database(click.ParamType[DatabasePlace]):
    """A file, or the URL of a PostgreSQL database."""

    name = "FILE|URL"

    def convert(self, value: DatabasePlace, _parameter: object, _context: object) -> DatabasePlace:
        """Return what was given, as a `Path` if it is a file."""
        return value if is_url(value) else Path(value)


def check_database(
    context: click.Context, parameter: click.Parameter, database: DatabasePlace | None
) -> DatabasePlace | None:
    """Refuse a password on the command line, which all on this machine can read."""
    typed = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if typed and re.search(r"://[^/@]*:[^/@]*@|\bpassword=", str(database)):
        raise click.BadParameter(
            "whoever is on this machine can read a password that stands in it: "
            f"give the URL in {DATABASE_VARIABLE}, or keep the password in ~/.pgpass or in a service file"
        )
    return database


def _check_servers(_context: object, _parameter: object, servers: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no server before a window opens."""
    if servers:
        try:
            listed(servers)
        except SettingError as error:
            raise click.BadParameter(str(error)) from error
    return servers


def _setting_of(name: str) -> str:
    """Return what an option is called in variables and files."""
    return "server" if name == "servers" else name.replace("_", "-")


def _typed(*names: str) -> list[str]:
    """Return which of these options are given."""
    source = click.get_current_context().get_parameter_source
    return [f"--{name}" for name in names if source(name) is not ParameterSource.DEFAULT]


def login_name() -> str:
    """Return the name that whoever runs this program is logged in by on this machine, empty if nobody is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # as in some containers
        return ""


def check_shared(database: DatabasePlace | None) -> None:
    """Refuse what no other program can reach."""
    if str(database) == IN_MEMORY:
        raise click.BadParameter("what a server keeps in :memory: can be reached through that server only")


def _check_option(
    context: click.Context, parameter: click.Parameter, database: DatabasePlace | None
) -> DatabasePlace | None:
    check_shared(database)
    return check_database(context, parameter, database)
