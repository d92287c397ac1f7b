"""`metermt serve`: run a server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from metermt.cli.common import Database, MeterCommand, address_options, check_database
from metermt.cli.keptfiles import check_apart, check_no_key
from metermt.cli.logsetup import Log, log_options
from metermt.cli.printed import printed_into
from metermt.cli.serveroptions import limit_options, policy_options
from metermt.cli.watchkey import read_watch_key, watch_key_option
from metermt.config import (
    DATABASE_VARIABLE,
    HTTP_PORT,
    IN_MEMORY,
    SERVICE,
    DatabaseLocation,
    Limits,
    default_database,
    default_tls_folder,
)
from metermt.discovery import Registries
from metermt.errors import SettingError
from metermt.logring import LogRing
from metermt.policy import Policy
from metermt.serving import ServerSettings
from metermt.serving import serve as run_server
from metermt.signing import SharedKey
from metermt.transport.tls import ServerTls


class HttpAddress(click.ParamType[tuple[str, int]]):
    """A port, or a host and a port."""

    name = "[HOST:]PORT"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[str, int]:
        """Return host and port."""
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdecimal() and int(port) < 65536):
            self.fail(f"{value!r} is no port, and no host with a port: write 11002, or HOST:11002", parameter, context)
        return host.removeprefix("[").removesuffix("]") or "localhost", int(port)


@click.command(cls=MeterCommand)
@address_options("listen on", "; 0: any free one")
@click.option(
    "--database",
    type=Database(),
    envvar=DATABASE_VARIABLE,
    callback=check_database,
    help="The database: a file, made if there is none, postgresql://USER@HOST/NAME, or :memory: to forget everything"
    " at the end."
    "  [default: metermt.db in your data folder; with --demo, :memory:]",
)
@click.option(
    "--demo",
    is_flag=True,
    help="Let adam, carol, eric and gwenda in, and add the meters of a made-up town; in a database of its own only.",
)
@click.option("--tls", is_flag=True, help="Encrypt, with the certificate that 'metermt tls init' made.")
@click.option(
    "--tls-folder",
    type=click.Path(path_type=Path),
    help="Where server.pem and server-key.pem are.  [default: tls beside the database, or in your data folder]",
)
@click.option(
    "--tls-client-ca",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Ask clients for a certificate of this authority (PEM), or of ca.pem in the folder above; the name in it must"
    " be the user name.",
)
@click.option(
    "--http",
    type=HttpAddress(),
    is_flag=False,
    flag_value=str(HTTP_PORT),
    metavar="[[HOST:]PORT]",
    help=f"Speak HTTP, too: XML-RPC at /meter and JSON at /api.  [default: localhost, {HTTP_PORT}]",
)
@watch_key_option("Who shows the key in this file may watch the server over HTTP from another machine.")
@click.option("--plaintext", is_flag=True, help="Listen beyond this machine without TLS all the same.")
@click.option(
    "--registry",
    is_flag=False,
    flag_value="localhost",
    metavar="[HOST[:PORT],…]",
    help="Register there, so that clients find the server by name. 'tcp:' before the host uses TCP.",
)
@click.option("--registry-key-file", type=click.Path(path_type=Path), help="The key that a registry with one asks for.")
@click.option("--advertise", metavar="HOST", help="Register this host, if clients reach the server by another than -h.")
@click.option("--name", default=SERVICE, show_default=True, help="The name to register under.")
@click.option(
    "--notify", type=click.Path(path_type=Path), help="Write HOST:PORT into this file once clients can connect."
)
@click.option("--dump/--no-dump", default=None, help="Print the readings at the end.  [default: with --demo only]")
@limit_options
@policy_options
@log_options
def serve(
    *,
    host: str,
    port: int,
    database: DatabaseLocation | None,
    demo: bool,
    tls: bool,
    tls_folder: Path | None,
    tls_client_ca: str | None,
    http: tuple[str, int] | None,
    watch_key_file: Path | None,
    plaintext: bool,
    registry: str | None,
    registry_key_file: Path | None,
    advertise: str | None,
    name: str,
    notify: Path | None,
    dump: bool | None,
    limits: Limits,
    policy: Policy,
    log: Log,
) -> None:
    """Run a meter server until Ctrl+C or SIGTERM.

    It may be killed at any moment: what readers were told is accepted is in the database.

    \b
    Example:
        metermt serve --database /var/lib/metermt/metermt.db
    """
    if database is None and not demo:
        database = default_database()
    tls_folder = tls_folder or default_tls_folder(database)
    keys = (tls_folder, Path(tls_client_ca) if tls_client_ca else None, registry_key_file, watch_key_file)
    for file in [*log.files, *([notify] if notify else [])]:
        check_apart(file, IN_MEMORY if database is None else database)
        check_no_key(file, *keys)
    ring = LogRing()
    log.begin(ring)
    _check_given(tls_client_ca is not None, tls, "--tls-client-ca needs --tls")
    _check_given(registry_key_file or advertise, registry, "--registry-key-file and --advertise need --registry")
    _check_given(watch_key_file, http, "--watch-key-file needs --http")
    key = SharedKey.read(registry_key_file) if registry_key_file else None
    settings = ServerSettings(
        host=host,
        port=port,
        database=None if database is None or str(database) == IN_MEMORY else database,
        demo=demo,
        tls=_tls_in(tls_folder, tls_client_ca) if tls else None,
        plaintext=plaintext,
        http=http,
        registries=Registries.parse(registry, key) if registry else None,
        advertise=advertise,
        name=name,
        limits=replace(limits, watch_key=read_watch_key(watch_key_file)),
        policy=policy,
    )
    if plaintext and not tls:
        click.echo("Warning: what this server sends is not encrypted; anybody on the way can read it.", err=True)
    with printed_into(ring):
        run_server(settings, notify=notify, dump=demo if dump is None else dump, log=ring)


def _check_given(given: object, needed: object, words: str) -> None:
    if given and not needed:
        raise SettingError(words)


def _tls_in(folder: Path, client_ca: str | None) -> ServerTls:
    """Return what the files in a folder are for; an empty authority of clients is the one that is there, too."""
    authority = None if client_ca is None else Path(client_ca) if client_ca else folder / "ca.pem"
    return ServerTls(folder / "server.pem", folder / "server-key.pem", authority)
