"""`metermt ping`: is there a server?"""

from pathlib import Path

import click

from metermt.cli.common import MeterCommand
from metermt.cli.target import Target, http_option, server_options
from metermt.cli.watchkey import read_watch_key, watch_key_option


@click.command(cls=MeterCommand, short_help="Ask a server whether it is there.")
@server_options
@http_option
@watch_key_option("With --http, the key that a server on another machine wants before it says why it is not ready.")
def ping(connect: Target, watch_key_file: Path | None) -> None:
    """Ask a server whether it is there, and say how long it took. Exit status 1 if it is not.

    By HTTP it is asked whether it can serve readers.

    \b
    Example:
        metermt ping -h meter.example.org
        metermt ping --http http://localhost:11002
    """
    if url := connect.ways.get("by_http"):
        from metermt.client.health import ask_health  # noqa: PLC0415 - which few want

        tls = {name: connect.ways.get(name) for name in ("tls_ca", "tls_cert")}
        where, seconds = ask_health(url, **tls, key=read_watch_key(watch_key_file))
    else:
        with connect() as client:
            where, seconds = f"{client.host}:{client.port}", client.ping()
    click.echo(f"{where} answers in {seconds * 1000:.1f} ms")
