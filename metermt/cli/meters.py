"""`metermt meters`: single devices and their places, and those that readers come across."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial

import click

from metermt.calls.exchanges import MeterExchange
from metermt.calls.found import Accepting
from metermt.calls.meters import Unread
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.meterpage import page_of
from metermt.cli.moments import Day
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.slips import put, yes_option
from metermt.model import KINDS, Meter, Place
from metermt.printable import local_time, printable


def _multiplier(_context: click.Context, _option: click.Parameter, text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r} is no number") from None


def _number(_context: click.Context, _argument: click.Parameter, text: str) -> str:
    return text.upper()


_KINDS = click.Choice([kind for kind in KINDS if kind], case_sensitive=False)


def _placed(*, reported: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options that say where a meter hangs, and what it is; what was reported of it holds unless it is told."""
    default = "  [default: as reported]" if reported else ""
    options = (
        click.option("--route", default="", help="The route that it is on.  [default: none]"),
        click.option("--sequence", type=int, default=0, help="Its place in the walk."),
        click.option("--kind", type=_KINDS, help=f"Electricity, gas or water.{default}"),
        click.option("--dials", type=int, help=f"Digits on the register.{default}"),
        click.option("--address", help=f"Where it hangs.{default}"),
        click.option(
            "--multiplier",
            callback=_multiplier,
            default="1",
            show_default=True,
            help="What a unit of its register is worth.",
        ),
    )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group(cls=MeterGroup)
def meters() -> None:
    """Exchange, add, move and look at single meters. Works beside a running server."""


@meters.command(short_help="Hang another device up at a place.")
@click.argument("old", callback=_number)
@click.argument("new", callback=_number)
@click.option("--final", type=int, required=True, help="What OLD showed when it was taken down.")
@click.option("--initial", type=int, required=True, help="What NEW showed when it was put up.")
@click.option("--date", "on", type=Day(), required=True, help="The day of the exchange.")
@click.option("--dials", type=int, help="Digits on the register of NEW.  [default: as OLD]")
@click.option("--multiplier", callback=_multiplier, help="That of NEW.  [default: as OLD]")
@yes_option
@office_options
def exchange(
    *,
    old: str,
    new: str,
    final: int,
    initial: int,
    on: date,
    dials: int | None,
    multiplier: Decimal | None,
    yes: bool,
    open_office: OpenOffice,
) -> None:
    """Say that NEW hangs where OLD did. The place keeps its history, and what both count is billed.

    In the open cycles NEW is read where OLD was not yet; whoever holds that job keeps it. You are asked about a last
    value of OLD that a reader would be asked about.

    \b
    Example:
        metermt meters exchange G72168 G90417 --final 4731 --initial 0 \\
            --date 2026-11-20
    """
    with open_office() as office:
        told = partial(MeterExchange, old, new, final, initial, on, dials, multiplier)
        done = put(lambda sure: office.exchange_meter(told(sure=sure)), yes=yes)
    click.echo(f"{new} hangs where {old} did since {on}.")
    if done.to_read:
        click.echo(f"It is to be read in {', '.join(done.to_read)}.")
    if done.read:
        click.echo(f"{old} is done in {', '.join(done.read)}, and that stays.")


@meters.command(short_help="List the exchanges.")
@office_options
def exchanges(open_office: OpenOffice) -> None:
    """List all exchanges in the order in which they were told, and who has told them: the office, or a reader.

    \b
    Example:
        metermt meters exchanges
    """
    with open_office() as office:
        there = office.list_exchanges()
    if not there:
        click.echo("No exchanges.", err=True)
        return
    headings = ("date", "old", "final", "new", "initial", "who", "told")
    rows = [
        (
            str(one.on),
            one.old_meter,
            str(one.final),
            one.new_meter,
            str(one.initial),
            one.username,
            local_time(one.made_at),
        )
        for one in there
    ]
    print_columns([headings, *rows], numbers=[2, 4])


@meters.command(short_help="Put a meter up at a new place.")
@click.argument("number", callback=_number)
@_placed(reported=False)
@office_options
def add(
    *,
    number: str,
    route: str,
    sequence: int,
    kind: str | None,
    dials: int | None,
    address: str | None,
    multiplier: Decimal,
    open_office: OpenOffice,
) -> None:
    """Have NUMBER be read from the next cycle on. `metermt cycles open` gives it a job in one that is open, too.

    \b
    Example:
        metermt meters add W5248 --route Harbour --sequence 45 --kind W
    """
    meter = Meter(number, kind or "", dials, address or "", multiplier=multiplier)
    with open_office() as office:
        office.add_meter(Place(meter, route, sequence))
    click.echo(f"{number} is read from the next cycle on.")


@meters.command(short_help="Show all that is known of a meter.")
@click.argument("number", callback=_number)
@office_options
def show(number: str, open_office: OpenOffice) -> None:
    """Show where NUMBER hangs, its exchanges and notes, what was used there a day, and its last readings.

    \b
    Example:
        metermt meters show G72168
    """
    with open_office() as office:
        shown = office.show_meter(number)
    for line in page_of(shown):
        click.echo(printable(line))


@meters.command(short_help="Take a meter out of use.")
@click.argument("number", callback=_number)
@office_options
def deactivate(number: str, open_office: OpenOffice) -> None:
    """Take NUMBER out of use: it is read no more, and jobs of it that are not read are removed from open cycles.

    What was read stays. A job that was sent to be read again stays, too, until it is read or estimated.

    \b
    Example:
        metermt meters deactivate G72168
    """
    with open_office() as office:
        unread = office.switch_meter(number, active=False)
    click.echo(f"{number} is out of use.{_said('removed from', unread)}")
    if unread.kept:
        click.echo(f"It stays in {', '.join(unread.kept)}, where it is to be read again.", err=True)


@meters.command(short_help="Take a meter into use again.")
@click.argument("number", callback=_number)
@office_options
def activate(number: str, open_office: OpenOffice) -> None:
    """Take NUMBER into use again: it is read from the next cycle on.

    \b
    Example:
        metermt meters activate G72168
    """
    with open_office() as office:
        office.switch_meter(number, active=True)
    click.echo(f"{number} is in use, and read from the next cycle on.")


@meters.command(short_help="Give a meter another stop.")
@click.argument("number", callback=_number)
@click.option("--route", required=True, help="The route that it is on from now on.")
@click.option("--sequence", type=int, required=True, help="Its place in the walk.")
@office_options
def move(number: str, route: str, sequence: int, open_office: OpenOffice) -> None:
    """Give NUMBER another stop on a route; jobs of it that are not read go along, whoever holds them.

    \b
    Example:
        metermt meters move G72168 --route Harbour --sequence 45
    """
    with open_office() as office:
        unread = office.move_meter(number, route, sequence)
    click.echo(f"{number} is on route {route}, at {sequence}.{_said('moved in', unread)}")


@meters.command(short_help="List meters that were found and are on no list.")
@office_options
def found(open_office: OpenOffice) -> None:
    """List the meters that readers have reported as they are on no list, oldest first, until they are decided.

    \b
    Example:
        metermt meters found
    """
    with open_office() as office:
        there = office.list_found()
    if not there:
        click.echo("No meters were reported.", err=True)
        return
    headings = ("no", "when", "who", "meter", "kind", "dials", "reading", "where")
    rows = [
        (
            *(str(one.id), local_time(one.found_at), one.username, one.number, one.kind),
            *("" if number is None else str(number) for number in (one.dials, one.reading)),
            one.where,
        )
        for one in there
    ]
    print_columns([headings, *rows], numbers=[0, 5, 6])


@meters.command(short_help="Have a found meter be read.")
@click.argument("report", metavar="NO", type=int)
@_placed(reported=True)
@office_options
def accept(
    *,
    report: int,
    route: str,
    sequence: int,
    kind: str | None,
    dials: int | None,
    address: str | None,
    multiplier: Decimal,
    open_office: OpenOffice,
) -> None:
    """Have the meter of report NO be read from the next cycle on; what it showed begins its history.

    \b
    Example:
        metermt meters accept 3 --route Harbour --sequence 45
    """
    with open_office() as office:
        place = office.accept_found(Accepting(report, route, sequence, kind, dials, address, multiplier))
    click.echo(f"{place.meter.number} is read from the next cycle on.")


@meters.command(short_help="Leave a report at that.")
@click.argument("report", metavar="NO", type=int)
@click.option("--why", required=True, help="Stays on record beside it.")
@office_options
def dismiss(report: int, why: str, open_office: OpenOffice) -> None:
    """Take report NO off the list: what was found is not to be read.

    \b
    Example:
        metermt meters dismiss 3 --why "the neighbour's own"
    """
    with open_office() as office:
        office.dismiss_found(report, why)
    click.echo(f"Report {report} is dismissed.")


def _said(what: str, unread: Unread) -> str:
    return f" Its job is {what} {', '.join(unread.changed)}." if unread.changed else ""
