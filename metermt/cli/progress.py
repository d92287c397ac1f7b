"""`metermt progress`: how far the open cycles are, and who is at it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from metermt.calls.officecalls import OfficeCalls
from metermt.cli.common import MeterCommand
from metermt.cli.opened import OpenOffice, office_options
from metermt.errors import ConnectionFailed, StoreAway, StoreLocked
from metermt.printable import printable
from metermt.progress import Work
from metermt.wire import to_text

if TYPE_CHECKING:
    from rich.live import Live

EVERY = 5.0
"""Seconds between two looks of --watch. With 200,000 jobs a look takes a server up to half a second of a processor."""
_AWAY = (ConnectionFailed, StoreAway, StoreLocked)


@click.command(cls=MeterCommand, short_help="See how far the work is, and who is at it.")
@click.option("--watch", is_flag=True, help=f"Look again every {EVERY:g} seconds, until Ctrl+C.")
@click.option("--cycle", help="Only this reading period.  [default: all open ones]")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@office_options
def progress(watch: bool, cycle: str | None, as_json: bool, open_office: OpenOffice) -> None:
    """See how far each route of the open cycles is, who holds it or is given it, and what readers have done today.

    What is done is blue; what is left is green while the route is on time, and red when it is late. The whole cycle is
    behind if less of it is done than of its days is over, up to the day on which it is due; a route is late if it is
    behind, too, and the cycle is. After that day all that is left is late.

    \b
    Example:
        metermt progress
        metermt progress --watch --server meter.example.org --as gwenda
    """
    if watch and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--watch draws on a terminal: leave it away to write to a file or as JSON")
    with open_office() as office:
        if watch:
            _watch(office, cycle)
            return
        work = office.show_progress(cycle)
    if as_json:
        click.echo(to_text(work))
        return
    from rich.console import Console  # noqa: PLC0415 - and rich with it, which most commands do without

    from metermt.cli.progresstables import tables_of  # noqa: PLC0415 - likewise

    Console().print(tables_of(work))


def _watch(office: OfficeCalls, cycle: str | None) -> None:
    """Draw what there is over and over, until somebody has seen enough."""
    from metermt.cli.progresstables import tables_of  # noqa: PLC0415 - with rich, which most commands do without

    work, trouble = office.show_progress(cycle), ""
    with _drawing() as live:
        while True:
            live.update(tables_of(work, trouble, live.console.height - 1), refresh=True)
            time.sleep(EVERY)
            work, trouble = _look_again(office, cycle, work)


def _look_again(office: OfficeCalls, cycle: str | None, last: Work) -> tuple[Work, str]:
    """Return what there is now; if nobody can say, what was there last, and why."""
    try:
        return office.show_progress(cycle), ""
    except _AWAY as error:
        return last, f"This is how it was: {printable(str(error))}. Trying again."


@contextmanager
def _drawing() -> Iterator["Live"]:
    """Draw in place until Ctrl+C. A picture is written in one piece over the one before, so that nothing flickers."""
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.live import Live  # noqa: PLC0415

    try:
        with Live(console=Console(), auto_refresh=False) as live:
            yield live
    except KeyboardInterrupt:
        return
