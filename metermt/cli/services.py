"""`metermt services`: which servers there are."""

import os
from pathlib import Path

import click
from click.core import ParameterSource

from metermt.cli.columns import print_columns
from metermt.cli.common import Database, MeterCommand, check_told_database, tls_options
from metermt.cli.opened import office
from metermt.cli.seen import print_servers, servers_of
from metermt.client.lastknown import Address
from metermt.client.reaching import answer_time, client_tls
from metermt.config import DATABASE_VARIABLE, DatabaseLocation, default_database
from metermt.discovery import Registries
from metermt.errors import ConnectionFailed
from metermt.transport.deadline import Deadline
from metermt.transport.tls import ClientTls

_SECONDS = 1.0  # that a server may take to answer
_USUAL = ""  # --database without a value


def _location_of(context: click.Context, parameter: click.Parameter, said: str | None) -> DatabaseLocation | None:
    if said is None:
        return None
    if said == _USUAL:
        return Database().convert(os.environ.get(DATABASE_VARIABLE) or default_database(), parameter, context)
    return check_told_database(context, parameter, Database().convert(said, parameter, context))


@click.command(cls=MeterCommand, short_help="List the servers that a registry or a database knows.")
@click.argument("name", required=False)
@click.option(
    "--registry", default="localhost", show_default=True, metavar="HOST[:PORT],…", help="The registries to ask."
)
@tls_options
@click.option(
    "--database",
    is_flag=False,
    flag_value=_USUAL,
    callback=_location_of,
    metavar="[FILE|URL]",
    help="Look into this database instead; without a value, into the one that `metermt serve` uses.",
)
@click.pass_context
def services(
    context: click.Context,
    name: str | None,
    registry: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    database: DatabaseLocation | None,
) -> None:
    """List the servers that a registry knows, all or those of one NAME, and ask each whether it is there.

    With --database, list those that share a database, and when each gave its last sign of life.

    \b
    Example:
        metermt services
        metermt services METER --registry 192.168.1.10 --tls-ca ca.pem
        metermt services --database
    """
    if database is None:
        _list_registered(name, Registries.parse(registry), client_tls(tls_ca, tls_cert))
        return
    if name or tls_ca or tls_cert or context.get_parameter_source("registry") is not ParameterSource.DEFAULT:
        raise click.UsageError("--database asks no registry and no server: leave NAME, --registry and --tls-… away")
    with office(database, create=False) as opened:
        found = servers_of(opened)
    if found:
        print_servers(found)
    else:
        click.echo("No server runs on this database.", err=True)


def _list_registered(name: str | None, registries: Registries, tls: ClientTls | None) -> None:
    rows = [
        (known, host, str(port), _answer_of(known, (host, port), tls))
        for known, host, port in registries.all_servers(name)
    ]
    if rows:
        print_columns([("name", "host", "port", "answers"), *rows])
    else:
        click.echo(f"No server{f' of the name {name}' if name else ''} is registered.", err=True)


def _answer_of(name: str, address: Address, tls: ClientTls | None) -> str:
    try:
        return f"in {answer_time(address, name, tls, Deadline(_SECONDS)) * 1000:.1f} ms"
    except ConnectionFailed as error:
        return f"no: {error}"
