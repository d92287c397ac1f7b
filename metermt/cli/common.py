"""What several commands share: their options, and how errors end them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from metermt.client import MeterClient, connect
from metermt.config import IN_MEMORY, PORT, SERVICE, default_database
from metermt.errors import Error

_FILE = click.Path(path_type=Path)
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
        return connect(self.host, self.port, **self.ways)


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
    """Add the options that say which server, by address or by name; the command gets `connect`, to connect to it."""

    @address_options("connect to")
    @click.option("--service", metavar="NAME", help=f"Find it by name instead.  [default with --registry: {SERVICE}]")
    @click.option(
        "--registry",
        metavar="HOST[:PORT]",
        help="Where the registry is that knows the name; 'tcp:' before the host uses TCP."
        "  [default with --service: localhost]",
    )
    @click.option("--tls-ca", type=_FILE, help="Encrypt; the server's certificate must be of this authority (PEM).")
    @click.option("--tls-cert", type=_FILE, help="Your certificate with its key (PEM), for a server that asks for one.")
    @click.option("--ssh", metavar="USER@HOST", help="Log in there with ssh, and reach host and port from there.")
    @functools.wraps(command)
    def with_target(*, host: str, port: int, **options: Any) -> Any:
        ways = {name: options.pop(name) for name in ("service", "registry", "tls_ca", "tls_cert", "ssh")}
        if ways["registry"] and not ways["service"]:
            ways["service"] = SERVICE
        return command(connect=Target(host, port, ways), **options)

    return with_target


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
        raise click.BadParameter("what a server keeps in :memory: can be reached through that server only")
    return database
