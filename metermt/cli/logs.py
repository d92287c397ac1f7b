"""`metermt logs`: what a running server writes into its log."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import click

from metermt.calls.serverlog import LEVELS, LONGEST_WAIT, LogPart, LogWanted, read_log
from metermt.cli.common import MeterCommand
from metermt.cli.opened import logged_in
from metermt.cli.target import Target, http_option, server_options
from metermt.client.client import MeterClient
from metermt.errors import ConnectionFailed, StoreAway
from metermt.loglines import LogLine
from metermt.printable import counted, printable

_COLOURS = {"DEBUG": "bright_black", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bright_red"}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SECONDS = 10.0  # until somebody who follows the log is told that the server is away
_AGO = re.compile(r"(\d{1,6})([smhd])")


class _Since(click.ParamType[datetime]):
    """A time, or how long ago that was."""

    name = "time"

    def convert(self, value: str | datetime, _parameter: object, _context: object) -> datetime:
        """Return the moment; a time without an offset is in the time of this machine."""
        if isinstance(value, datetime):
            return value
        now = datetime.now().astimezone()
        if ago := _AGO.fullmatch(value):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromisoformat(f"{now:%Y-%m-%d}T{value}" if ":" in value[:3] else value).astimezone()
        words = "is no time: write it like 15m, 2h, 10:30, 2026-11-20 or 2026-11-20T10:30"
        raise click.BadParameter(f"{value!r} {words}")


@click.command(cls=MeterCommand, short_help="See the log of a running server.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl+C.")
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default=LEVELS[0],
    show_default=True,
    help="Only what is at least as bad. What the server does not log (serve --log-level) is not there.",
)
@click.option(
    "--since", type=_Since(), metavar="TIME", help="Only from then on: 15m or 2h ago, at 10:30, 2026-11-20T10:30."
)
@click.option("--reader", metavar="NAME", help="Only lines with the name of this user in them.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, for programs.")
@click.option("--as", "as_whom", metavar="NAME", help="Log in by this name.  [default: it is asked for]")
@server_options
@http_option
def logs(
    *,
    follow: bool,
    level: str,
    since: datetime | None,
    reader: str | None,
    as_json: bool,
    as_whom: str | None,
    connect: Target,
) -> None:
    """See the last lines of the log of a running server, for admins; and with --follow what comes next.

    A server keeps its last 10,000 lines, and what it has printed is among them. Which lines were lost before they could
    be shown is told on standard error.

    \b
    Example:
        metermt logs --level warning --since 2h
        metermt logs --follow --reader carol --server meter.example.org --as adam
        metermt logs --http http://meter.example.org:11002
    """
    wanted = LogWanted(level=level.lower(), since=since, reader=reader and reader.strip().lower())
    with suppress(KeyboardInterrupt), logged_in(connect, as_whom) as client:
        for part in _parts(client, wanted, follow=follow):
            for line in part.lines:
                _show(line, as_json=as_json)


def _parts(client: MeterClient, wanted: LogWanted, *, follow: bool) -> Iterator[LogPart]:
    """Return what there is, part by part, and then what comes, if it is to be followed."""
    part = client.call(read_log, wanted)
    yield part
    newest = part.newest
    while follow or part.last < newest:
        wanted = replace(wanted, ring=part.ring, after=part.last, wait=LONGEST_WAIT if follow else 0.0)
        part = _next_part(client, wanted) if follow else client.call(read_log, wanted)
        if part.missed:
            click.echo(f"{counted(part.missed, 'line')} came faster than they could be shown, and are gone.", err=True)
        if part.ring != wanted.ring:
            click.echo("From here on it is the log of another server, or of this one after a new start.", err=True)
        yield part


def _next_part(client: MeterClient, wanted: LogWanted) -> LogPart:
    """Return what comes next; if the server is away, as soon as it is back."""
    client.timeout = _SECONDS
    is_told = False
    while True:
        try:
            return client.call(read_log, wanted)
        except (ConnectionFailed, StoreAway) as error:
            if not is_told:
                click.echo(f"{printable(str(error))}. Trying again.", err=True)
            is_told = True


def _show(line: LogLine, *, as_json: bool) -> None:
    click.echo(line.for_programs() if as_json else click.style(line.for_people(), fg=_COLOURS.get(line.level)))
