"""`metermt tls`: certificates for an encrypted link."""

from pathlib import Path

import click

from metermt.certificates import AUTHORITY, Authority
from metermt.cli.common import MeterGroup
from metermt.config import SERVICE, default_tls_folder
from metermt.model import User

_folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=default_tls_folder,
    help="Where authority, keys and certificates are."
    "  [default: tls beside the database, where 'metermt serve --tls' looks]",
)


@click.group(cls=MeterGroup, short_help="Make certificates for an encrypted link.")
def tls() -> None:
    """Make certificates for an encrypted link, without an authority from outside."""


@tls.command(short_help="Make an authority and a server certificate.")
@click.option(
    "--host", "hosts", required=True, multiple=True, help="A name or address that clients use; several times."
)
@click.option("--name", default=SERVICE, show_default=True, help="The name that a registry knows the server by.")
@_folder_option
def init(hosts: tuple[str, ...], name: str, folder: Path) -> None:
    """Make a private authority, if there is none yet, and a certificate of it for the server.

    Run it again to renew the certificate (it is good for 825 days) or to change its hosts; clients need not be told.

    \b
    Example:
        metermt tls init --host meter.example.org --host 10.1.2.3
        metermt serve -h 10.1.2.3 --tls
        metermt console -h meter.example.org --tls-ca ca.pem
    """
    authority = Authority(folder)
    certificate, key = authority.certify_server(list(hosts), name)
    click.echo(f"For the server: {certificate} and {key}; 'metermt serve --tls' finds them.")
    click.echo(f"For the clients: {authority.path}; copy it to them and give it with --tls-ca.")


@tls.command(short_help="Make a certificate for a user.")
@click.argument("username", metavar="NAME")
@_folder_option
def client(username: str, folder: Path) -> None:
    """Make a certificate for a user, for a server that asks for one (--tls-client-ca).

    \b
    Example:
        metermt tls client carol
        metermt serve -h 10.1.2.3 --tls --tls-client-ca
        metermt console --tls-ca ca.pem --tls-cert client-carol.pem
    """
    path = Authority(folder).certify_client(User(username, username).username)
    click.echo(f"For {username}: {path}, with its key; hand it over safely, and {AUTHORITY} with it.")
