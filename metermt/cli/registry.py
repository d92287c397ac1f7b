"""`metermt registry`: let servers be found by name."""

import signal
from datetime import datetime
from pathlib import Path

import click

from metermt.cli.common import MeterCommand
from metermt.cli.keptfiles import check_no_key
from metermt.cli.logsetup import Log, log_options
from metermt.config import REGISTRY_PORT
from metermt.registry import RegistryServer
from metermt.signing import SharedKey


@click.command(cls=MeterCommand, short_help="Run a registry, for servers found by name.")
@click.option("-h", "--host", default="localhost", show_default=True, help="The host to listen on.")
@click.option(
    "-p", "--port", type=int, default=REGISTRY_PORT, show_default=True, metavar="PORT", help="The port, 0: any."
)
@click.option(
    "--registry-key-file",
    type=click.Path(path_type=Path),
    help="Let only servers register that share the key in this file.",
)
@click.option("--tcp", is_flag=True, help="Listen on TCP instead of UDP.")
@log_options
def registry(host: str, port: int, registry_key_file: Path | None, log: Log, *, tcp: bool) -> None:
    """Run a registry until Ctrl+C or SIGTERM: servers register there, clients find them by name.

    \b
    Example:
        metermt registry -h 192.168.1.10
        metermt serve -h 192.168.1.10 --registry 192.168.1.10
        metermt console --service METER --registry 192.168.1.10
    """
    for file in log.files:
        check_no_key(file, registry_key_file)
    log.begin()
    key = SharedKey.read(registry_key_file) if registry_key_file else None
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    with RegistryServer(host, port, tcp=tcp, key=key) as server:
        kind = "TCP" if tcp else "UDP"
        click.echo(f"Meter registry startup at {datetime.now():%Y-%m-%dT%H:%M:%S} on {host}:{server.port} ({kind})")
        signal.sigwait(ending)
    click.echo(f"Meter registry shutdown at {datetime.now():%Y-%m-%dT%H:%M:%S}")
