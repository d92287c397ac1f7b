"""`metermt services`: which servers a registry knows."""

import click

from metermt.cli.common import MeterCommand
from metermt.client import connect
from metermt.discovery import Registry
from metermt.errors import ConnectionFailed

_SECONDS = 1.0  # that a server may take to answer


@click.command(cls=MeterCommand, short_help="List the servers that a registry knows.")
@click.argument("name", required=False)
@click.option("--registry", default="localhost", show_default=True, metavar="HOST[:PORT]", help="The registry to ask.")
def services(name: str | None, registry: str) -> None:
    """List the servers that a registry knows, all or those of one NAME, and ask each whether it is there.

    \b
    Example:
        metermt services
        metermt services METER --registry 192.168.1.10
    """
    asked = Registry.parse(registry)
    rows = [
        (known, host, str(port), _answer_of(host, port))
        for known in ([name] if name else asked.names())
        for host, port in sorted(asked.servers(known))
    ]
    if not rows:
        click.echo(f"No server{f' of the name {name}' if name else ''} is registered.", err=True)
        return
    table = [("name", "host", "port", "answers"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(f"{field:{width}}" for field, width in zip(row, widths, strict=True)).rstrip())


def _answer_of(host: str, port: int) -> str:
    try:
        with connect(host, port, timeout=_SECONDS) as client:
            return f"in {client.ping() * 1000:.1f} ms"
    except ConnectionFailed as error:
        return f"no: {error}"
