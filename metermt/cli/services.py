"""`metermt services`: which servers there are."""

import os

import click
from click.core import ParameterSource

from metermt.cli.columns import print_columns
from metermt.cli.common import Database, MeterCommand
from metermt.cli.office import office
from metermt.cli.places import check_place
from metermt.cli.seen import print_servers, servers_of
from metermt.client import connect
from metermt.config import DATABASE_VARIABLE, DatabasePlace, default_database
from metermt.discovery import Registry
from metermt.errors import ConnectionFailed

_SECONDS = 1.0  # that a server may take to answer
_USUAL = ""  # --database without a value


def _place_of(context: click.Context, parameter: click.Parameter, said: str | None) -> DatabasePlace | None:
    if said is None:
        return None
    if said == _USUAL:
        return Database().convert(os.environ.get(DATABASE_VARIABLE) or default_database(), parameter, context)
    return check_place(context, parameter, Database().convert(said, parameter, context))


@click.command(cls=MeterCommand, short_help="List the servers that a registry or a database knows.")
@click.argument("name", required=False)
@click.option("--registry", default="localhost", show_default=True, metavar="HOST[:PORT]", help="The registry to ask.")
@click.option(
    "--database",
    is_flag=False,
    flag_value=_USUAL,
    callback=_place_of,
    metavar="[FILE|URL]",
    help="Look into this database instead; without a value, into the one that `metermt serve` uses.",
)
@click.pass_context
def services(context: click.Context, name: str | None, registry: str, database: DatabasePlace | None) -> None:
    """List the servers that a registry knows, all or those of one NAME, and ask each whether it is there.

    With --database, list those that share a database, and when each gave its last sign of life.

    \b
    Example:
        metermt services
        metermt services METER --registry 192.168.1.10
        metermt services --database
    """
    if database is None:
        _list_registered(name, registry)
        return
    if name or context.get_parameter_source("registry") is not ParameterSource.DEFAULT:
        raise click.UsageError("--database asks no registry: leave NAME and --registry away")
    with office(database, create=False) as opened:
        found = servers_of(opened)
    if found:
        print_servers(found)
    else:
        click.echo("No server runs on this database.", err=True)


def _list_registered(name: str | None, registry: str) -> None:
    asked = Registry.parse(registry)
    rows = [
        (known, host, str(port), _answer_of(host, port))
        for known in ([name] if name else asked.names())
        for host, port in sorted(asked.servers(known))
    ]
    if rows:
        print_columns([("name", "host", "port", "answers"), *rows])
    else:
        click.echo(f"No server{f' of the name {name}' if name else ''} is registered.", err=True)


def _answer_of(host: str, port: int) -> str:
    try:
        with connect(host, port, timeout=_SECONDS) as client:
            return f"in {client.ping() * 1000:.1f} ms"
    except ConnectionFailed as error:
        return f"no: {error}"
