"""`metermt outbox`: what was typed on this device and no server has accepted."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup, login_name
from metermt.cli.target import Target, http_option, server_options
from metermt.client.outbox import Outbox, Unconfirmed
from metermt.config import default_outbox
from metermt.console import offering
from metermt.console.offering import typed_at
from metermt.console.terminal import Terminal
from metermt.errors import OutboxError


@click.group(cls=MeterGroup)
def outbox() -> None:
    """See to what was typed on this device and no server has accepted.

    The console and the window keep what they send here until it is accepted, and offer it at the next login.
    """


@outbox.command("list")
def list_() -> None:
    """List what is kept, oldest first, of all readers and servers.

    \b
    Example:
        metermt outbox list
    """
    kept = Outbox(default_outbox())
    rows = kept.all()
    if rows:
        headings = ("METER", "READING", "REASON", "CYCLE", "TYPED", "READER", "SERVER")
        print_columns([headings, *map(_row, rows)])
    else:
        click.echo("Nothing is kept on this device: all that was typed is accepted.")
    for path in kept.damaged():
        click.echo(f"{path} is damaged, or being written just now", err=True)


@outbox.command()
@server_options
@http_option
@click.option("--user", "username", help="Whose readings.  [default: the name you are logged in by]")
@click.option("--typed-for", metavar="SERVER", help="Send what was typed for this server, as `list` calls it, there.")
def send(connect: Target, username: str | None, typed_for: str | None) -> None:
    """Log in, and send what this reader typed for that server. Exit status 1 if some of it is not accepted.

    \b
    Example:
        metermt outbox send -h meter.example.org --user carol
        metermt outbox send --http http://meter.example.org:11002
        metermt outbox send -h new.example.org --typed-for old.example.org:11003
    """
    with connect.with_outbox() as client, Terminal() as terminal:
        client.ping()  # what is wrong with the server is told before a password is asked for
        client.login(username or login_name(), terminal.ask_secret("Password: "))
        if typed_for:
            client.outbox.adopt(typed_for)
        if answers := client.outbox.unconfirmed():
            offering.send(client, terminal, answers)
        else:
            click.echo(
                f"Nothing that {client.username} has typed for this server waits here: see `metermt outbox list`"
            )
        left = client.outbox.unconfirmed()
        client.farewell()
    if left:
        raise OutboxError(f"Not accepted and still kept: {len(left)}, see `metermt outbox list`")


@outbox.command()
@click.argument("meters", nargs=-1, metavar="[METER]…")
@click.option("--all", "everything", is_flag=True, help="Throw away all that is kept.")
@click.option("--user", "username", help="Only what this reader has typed.")
def remove(meters: tuple[str, ...], username: str | None, *, everything: bool) -> None:
    """Throw away what was typed for some meters. It is printed, and lost then.

    \b
    Example:
        metermt outbox remove G72168
        metermt outbox remove --all --user carol
    """
    if bool(meters) == everything:
        raise click.UsageError("name the meters, or say --all")
    kept = Outbox(default_outbox())
    rows = [
        row for row in kept.all() if username in (None, row.username) and (everything or row.answer.meter in meters)
    ]
    if unknown := [meter for meter in meters if meter not in {row.answer.meter for row in rows}]:
        raise OutboxError(f"Nothing is kept for meter {', '.join(unknown)}: see `metermt outbox list`")
    kept.remove(rows)
    for row in rows:
        click.echo(f"Thrown away: {' '.join(filter(None, _row(row)))}")


def _row(row: Unconfirmed) -> tuple[str, ...]:
    answer = row.answer
    value = "" if answer.value is None else str(answer.value)
    return answer.meter, value, answer.reason, answer.cycle or "", typed_at(answer), row.username, row.server
