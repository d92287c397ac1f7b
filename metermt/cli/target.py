"""The options of a command that say which server, and how it is reached."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from metermt.cli.common import address_options, servers_option, tls_options
from metermt.client.client import MeterClient, connect
from metermt.client.settings import check_one_way, from_environment, from_file, http_url, joined, settings_files
from metermt.config import HTTP_PORT, PORT, SERVICE
from metermt.errors import SettingError

_WAYS = ("servers", "service", "registry", "by_http", "tls_ca", "tls_cert", "ssh")


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
        ways = dict(self.ways)
        url = ways.pop("by_http", None)
        address = (url,) if url else () if ways.get("servers") or ways.get("service") else (self.host, self.port)
        return connect(*address, **ways, outbox=outbox)


def http_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --http to a command with the options that say which server."""
    words = f"Use its door for HTTP instead: http://HOST:{HTTP_PORT}"
    return click.option("--http", "by_http", callback=_check_url, metavar="URL", help=words)(command)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which server, by address or by name; the command gets `connect`, to connect to it.

    What is not typed may stand in variables and files: see `metermt.client.settings`.
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
        said = {name: options.pop(name) for name in ("host", "port", *_WAYS) if name in options}
        try:
            check_one_way({name: f"--{name}" for name in map(_setting_of, _typed(said))})
        except SettingError as error:
            raise click.UsageError(str(error)) from error
        return command(connect=target_of(said), **options)

    return with_target


def target_of(said: Mapping[str, Any]) -> Target:
    """Return the server that these options of a command name, with what variables and files say beyond.

    Raises `SettingError`.
    """
    typed = {_setting_of(name): said[name] for name in _typed(said)}
    found = joined(typed, from_environment(os.environ), *map(from_file, settings_files()))
    ways = {name: found.get(_setting_of(name)) for name in _WAYS}
    if ways["registry"] and not ways["service"]:
        ways["service"] = SERVICE
    host = found.get("host", "localhost")
    if "://" in host:
        raise SettingError(f"Invalid host {host!r}: where you mean a URL, write --http URL or METERMT_HTTP")
    return Target(host, found.get("port", PORT), ways)


def _setting_of(name: str) -> str:
    """Return what an option is called in variables and files."""
    return {"servers": "server", "by_http": "http"}.get(name, name.replace("_", "-"))


def _typed(options: Iterable[str]) -> list[str]:
    """Return which of these options are given."""
    source = click.get_current_context().get_parameter_source
    return [name for name in options if source(name) is not ParameterSource.DEFAULT]


def _check_url(_context: object, _parameter: object, url: str | None) -> str | None:
    """Refuse what is no URL before a window opens: a mere host would be asked at its other door."""
    if url is not None:
        try:
            http_url(url)
        except SettingError as error:
            raise click.BadParameter(str(error)) from error
    return url
