"""The options of a command that say which server, and how it is reached."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from metermt.cli.common import address_options
from metermt.client import MeterClient, connect
from metermt.clientsettings import from_environment, from_file, joined, settings_files
from metermt.config import PORT, SERVICE
from metermt.errors import SettingError
from metermt.reaching import listed

_FILE = click.Path(path_type=Path)
_WAYS = ("servers", "service", "registry", "tls_ca", "tls_cert", "ssh")
_SETTING_OF = {"servers": "server"}  # by the option's name here, where it is not the same
F = TypeVar("F", bound=Callable[..., Any])


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


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which server, by address or by name; the command gets `connect`, to connect to it.

    What is not typed may stand in variables and files: see `metermt.clientsettings`.
    """

    @address_options("connect to")
    @click.option(
        "--server",
        "servers",
        multiple=True,
        callback=_check_servers,
        metavar="HOST[:PORT],…",
        help="Use any of these servers instead, and another one when it fails; they share one database.",
    )
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
        typed = {_SETTING_OF.get(name, name.replace("_", "-")): said[name] for name in said if _typed(name)}
        found = joined(typed, from_environment(os.environ), *map(from_file, settings_files()))
        ways = {name: found.get(_SETTING_OF.get(name, name.replace("_", "-"))) for name in _WAYS}
        if ways["registry"] and not ways["service"]:
            ways["service"] = SERVICE
        return command(connect=Target(found.get("host", "localhost"), found.get("port", PORT), ways), **options)

    return with_target


def tls_options(command: F) -> F:
    """Add --tls-ca and --tls-cert, by which a client trusts a server and is trusted."""
    authority = click.option(
        "--tls-ca", type=_FILE, help="Encrypt; the server's certificate must be of this authority (PEM)."
    )
    certificate = click.option(
        "--tls-cert", type=_FILE, help="Your certificate with its key (PEM), for a server that asks for one."
    )
    return authority(certificate(command))


def _check_servers(_context: object, _parameter: object, servers: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no server before a window opens."""
    if servers:
        try:
            listed(servers)
        except SettingError as error:
            raise click.BadParameter(str(error)) from error
    return servers


def _typed(*names: str) -> list[str]:
    """Return which of these options are given."""
    source = click.get_current_context().get_parameter_source
    return [f"--{name}" for name in names if source(name) is not ParameterSource.DEFAULT]
