"""`metermt ping`: is there a server?"""

from pathlib import Path

import click

from metermt.cli.common import MeterCommand
from metermt.cli.target import Target, server_options, typed_options
from metermt.cli.watchkey import read_watch_key, watch_key_option


@click.command(cls=MeterCommand, short_help="Ask a server whether it is there.")
@server_options
@click.option(
    "--http", metavar="URL", help="Ask by HTTP whether it can serve readers, at http://HOST:PORT or https://…."
)
@watch_key_option("With --http, the key that a server on another machine wants before it says why it is not ready.")
def ping(connect: Target, http: str | None, watch_key_file: Path | None) -> None:
    """Ask a server whether it is there, and say how long it took. Exit status 1 if it is not.

    \b
    Example:
        metermt ping -h meter.example.org
        metermt ping --http http://localhost:11002
    """
    if http is None:
        with connect() as client:
            where, seconds = f"{client.host}:{client.port}", client.ping()
    else:
        if others := typed_options("host", "port", "servers", "service", "registry", "ssh"):
            raise click.UsageError(f"--http says which server: leave {', '.join(others)} away")
        from metermt.health import ask_health  # noqa: PLC0415 - which few want

        tls = {name: connect.ways.get(name) for name in ("tls_ca", "tls_cert")}
        where, seconds = ask_health(http, **tls, key=read_watch_key(watch_key_file))
    click.echo(f"{where} answers in {seconds * 1000:.1f} ms")
