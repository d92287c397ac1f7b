"""`metermt review`: the office decides on what is odd, or without a value."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial, wraps
from typing import Any

import click

from metermt.calls.estimating import Outcome
from metermt.calls.officecalls import OfficeCalls
from metermt.calls.review import Said
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup, Register
from metermt.cli.givingup import give_up
from metermt.cli.moments import Day
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.reviewing import described, review_each
from metermt.cli.slips import put, yes_option
from metermt.cli.sparkline import sparkline, use_a_day
from metermt.decisions import Verdict, Waiting
from metermt.errors import DecisionError
from metermt.printable import counted, local_time
from metermt.quality import Flag
from metermt.rules.answers import shown
from metermt.rules.registers import step_onward, step_to_reading
from metermt.rules.review import severity

_ORDERS: dict[str, Callable[[Waiting], Any]] = {
    "severity": lambda one: (-severity(one.flags, one.value), one.job.place),
    "route": lambda one: one.job.place,
    "age": lambda one: (one.recorded_at, one.job.place),
}
_Chooser = Callable[[OfficeCalls], list[Waiting]]
_HEADINGS = ("meter", "odd", "value", "expected", "previous", "cause", "route", "past", "reader", "read", "cycle")
_CUT = {1: 14, 6: 8}  # characters that remain of what is odd, which may be a reason in somebody's words; and of a route
_SPARE = (10, 9, 8, 7, 6)  # columns that `metermt review show` has, too


@click.group(cls=MeterGroup)
def review() -> None:
    """Decide on readings that are odd, and on meters that were not read. Works beside a running server.

    Nothing of that goes to billing before somebody has decided: it is approved, edited, estimated, or read again.
    """


review.add_command(give_up)


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add options that say which results are meant; the command gets `chosen`, which looks them up."""

    @click.option("--cycle", help="Only those of this reading period.")
    @click.option("--route", help="Only those of this route.")
    @click.option("--flag", "flags", multiple=True, help="Only those with this flag, or with this code of a reason.")
    @click.option(
        "--by", "order", type=click.Choice(list(_ORDERS)), default="severity", show_default=True, help="In this order."
    )
    @wraps(command)
    def with_selection(
        *, cycle: str | None, route: str | None, flags: tuple[str, ...], order: str, **options: Any
    ) -> Any:
        def chosen(office: OfficeCalls) -> list[Waiting]:
            waiting = office.list_waiting()
            _check_flags(office, flags, waiting)
            found = [
                one
                for one in waiting
                if cycle in (None, one.job.cycle)
                and route in (None, one.job.route)
                and (not flags or {*one.flags, one.code} & set(flags))
            ]
            return sorted(found, key=_ORDERS[order])

        return command(chosen=chosen, selects=bool(cycle or route or flags), **options)

    return with_selection


def _check_flags(office: OfficeCalls, flags: Iterable[str], waiting: Iterable[Waiting]) -> None:
    """Raise `DecisionError` for what is neither a flag nor the code of a reason, in use or given meanwhile."""
    codes = {one.code for one in waiting}
    for flag in flags:
        if flag not in [*Flag, *codes] and flag not in (known := [reason.code for reason in office.list_reasons()]):
            there_are = ", ".join([*Flag, *known])
            raise DecisionError(f"There is no flag and no code of a reason {shown(flag)}; there are {there_are}")


@review.command(name="list", short_help="List what waits for a decision.")
@_selection
@click.option("--wide", is_flag=True, help="All columns, also on a terminal that is too narrow for them.")
@office_options
def list_(chosen: _Chooser, wide: bool, selects: bool, open_office: OpenOffice) -> None:  # noqa: ARG001 - any will do
    """List the results that wait, the gravest first: what is odd, with the use of the last twelve periods beside it.

    Where the terminal is too narrow, cycle, time, reader, past and route are left out, in this order, as many as need
    be, and what is odd is cut: see `metermt review show`.

    \b
    Example:
        metermt review list
        metermt review list --flag high --route North
        metermt review list --by age --server meter.example.org --as gwenda
    """
    with open_office() as office:
        found = chosen(office)
    if found:
        print_columns([_HEADINGS, *map(_row, found)], numbers=[2, 3, 4], cut=_CUT, spare=_SPARE, wide=wide)
    click.echo(f"{counted(len(found), 'result')} to decide on.", err=True)


@review.command(short_help="Show all that is known of one.")
@click.argument("meters", nargs=-1, required=True, metavar="METER...")
@office_options
def show(meters: tuple[str, ...], open_office: OpenOffice) -> None:
    """Show what is known of the results of meters that wait: address, reader, time, cause, past and note.

    \b
    Example:
        metermt review show G72168
    """
    with open_office() as office:
        waiting = office.list_waiting()
    for results in _by_meter(waiting, [meter.upper() for meter in meters]).values():
        for one in results:
            click.echo("\n".join(described(one)))


@review.command(short_help="Go through them one by one.")
@_selection
@office_options
def each(chosen: _Chooser, selects: bool, open_office: OpenOffice) -> None:  # noqa: ARG001 - any selection will do
    """Go through the results one by one, and decide on each with a key. What is decided is kept at once.

    \b
    Example:
        metermt review each
        metermt review each --flag no-access
    """
    with open_office() as office:
        review_each(office, chosen(office))


def _meters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add METER..., or a selection, and --yes; the command gets `results`, which looks up what is meant."""

    @click.argument("meters", nargs=-1, metavar="[METER]...")
    @click.option("--yes", is_flag=True, help="Do not ask before many are decided on.")
    @_selection
    @wraps(command)
    def with_meters(*, meters: tuple[str, ...], yes: bool, chosen: _Chooser, selects: bool, **options: Any) -> Any:
        if not meters and not selects:
            raise click.UsageError("Name the meters, or say which results with --flag, --route or --cycle")

        def results(office: OfficeCalls, what: str) -> list[Waiting]:
            found = chosen(office)
            if meters:
                return _named(found, [meter.upper() for meter in meters])
            if found and not yes:
                click.confirm(f"{what} {counted(len(found), 'result')}?", abort=True, err=True)
            return found

        return command(results=results, **options)

    return with_meters


_Results = Callable[[OfficeCalls, str], list[Waiting]]


@review.command(short_help="They are right.")
@_meters
@office_options
def approve(results: _Results, open_office: OpenOffice) -> None:
    """Say that results are right as they were sent: of the meters named, or of all that are selected.

    \b
    Example:
        metermt review approve G72168 G72170
        metermt review approve --flag rollover
    """
    _decide(open_office, results, "Approve", Verdict.APPROVE)


@review.command(short_help="Send somebody there again.")
@_meters
@click.option("--note", default="", help="For whoever goes there; else the last note about the place is shown.")
@office_options
def reread(results: _Results, note: str, open_office: OpenOffice) -> None:
    """Have meters read again, by the same reader or another one: they are handed out as before.

    \b
    Example:
        metermt review reread G72168 --note "The meter is behind the left door"
        metermt review reread --flag no-access
    """
    _decide(open_office, results, "Read again", Verdict.REREAD, note)


@review.command(short_help="A value is computed.")
@_meters
@office_options
def estimate(results: _Results, open_office: OpenOffice) -> None:
    """Have values computed from the past of the places, instead of what was sent.

    A value is the last accepted one and the meter's own use a day since then, of late and in this season of earlier
    years (see docs/READING-QUALITY.md). Its quality is E. A reading that comes after all is taken, and flagged as late.

    \b
    Example:
        metermt review estimate G72168
        metermt review estimate --flag no-access
    """
    with open_office() as office:
        found = results(office, "Estimate")
        outcomes = office.estimate([one.reading for one in found])
    _print_estimates(outcomes)


@review.command(short_help="Compute values for meters that nobody has read.")
@click.argument("cycle")
@click.argument("meters", nargs=-1, metavar="[METER]...")
@click.option("--route", help="Only those of this route.")
@click.option(
    "--on",
    type=Day(),
    help="The day to compute them for.  [default: the day by which the cycle is due]",
)
@click.option("--yes", is_flag=True, help="Do not ask before many are estimated.")
@office_options
def estimate_unread(
    cycle: str, meters: tuple[str, ...], route: str | None, on: date | None, yes: bool, open_office: OpenOffice
) -> None:
    """Have values computed for meters of CYCLE, open or closed, that nobody has read: those named, or all of them.

    \b
    Example:
        metermt review estimate-unread 2026-11 --on 2026-11-15
        metermt review estimate-unread 2026-11 G72168
    """
    with open_office() as office:
        wanted = [meter.upper() for meter in meters] or [one.meter for one in office.list_missing(cycle, route)]
        if wanted and not (meters or yes):
            click.confirm(f"Estimate {counted(len(wanted), 'meter')}?", abort=True, err=True)
        outcomes = office.estimate_unread(cycle, wanted, on)
    _print_estimates(outcomes)


@review.command(short_help="Another value counts.")
@click.argument("meter")
@click.argument("value", type=Register())
@click.option("--why", required=True, help="Stays on record beside the value.")
@click.option("--cycle", help="Of this reading period, if the meter waits in several.")
@yes_option
@office_options
def edit(meter: str, value: int, why: str, cycle: str | None, yes: bool, open_office: OpenOffice) -> None:
    """Have VALUE count for METER, which waits for a decision; what the reader has sent stays on record.

    You are asked about a value that a reader would be asked about.

    \b
    Example:
        metermt review edit G72168 59830 --why "as on the photograph"
    """
    with open_office() as office:
        waiting = [one for one in office.list_waiting() if cycle in (None, one.job.cycle)]
        (one,) = _named(waiting, [meter.upper()])
        put(partial(_edited, office, one, value, why), yes=yes)
    click.echo(f"{value} counts for {one.job.meter.number} in {one.job.cycle}{_use_of(one, value)}.")


def _use_of(one: Waiting, value: int) -> str:
    """Say what use a value means, but where it takes the server to tell whether the register has gone over its top."""
    if one.since is None:
        return ""
    onward = step_onward(one.since, value, one.job.meter.dials)
    is_sure = onward < 0 or onward == step_to_reading(one.since, value, one.job.meter.dials)
    return f": a use of {onward}" if is_sure else ""


def _edited(office: OfficeCalls, one: Waiting, value: int, why: str, sure: bool) -> None:
    (refused,) = office.decide([Said(one.reading, Verdict.EDIT, value, why, sure)])
    if refused:
        raise refused


def _named(waiting: Iterable[Waiting], meters: Sequence[str]) -> list[Waiting]:
    """Return the results of these meters, one of each. Raises `DecisionError`."""
    there = _by_meter(waiting, meters)
    for meter, results in there.items():
        if len(results) > 1:
            cycles = " and ".join(one.job.cycle for one in results)
            raise DecisionError(f"Meter {meter} waits in {cycles}: say which with --cycle")
    return [results[0] for results in there.values()]


def _by_meter(waiting: Iterable[Waiting], meters: Iterable[str]) -> dict[str, list[Waiting]]:
    """Return the results of these meters, by meter. Raises `DecisionError` for one without any."""
    there: dict[str, list[Waiting]] = {meter: [] for meter in meters}
    for one in waiting:
        if one.job.meter.number in there:
            there[one.job.meter.number].append(one)
    for meter, results in there.items():
        if not results:
            raise DecisionError(f"Meter {meter} waits for no decision: to change it say metermt readings correct")
    return there


def _decide(open_office: OpenOffice, results: _Results, what: str, verdict: Verdict, why: str = "") -> None:
    with open_office() as office:
        found = results(office, what)
        outcomes = office.decide([Said(one.reading, verdict, why=why) for one in found])
    done = sum(outcome is None for outcome in outcomes)
    click.echo(f"{what}: {counted(done, 'result')}.")
    _check(outcomes)


def _print_estimates(outcomes: Sequence[Outcome]) -> None:
    made = [outcome.made for outcome in outcomes if outcome.made]
    if made:
        rows = [(one.meter, one.cycle, str(one.value), str(one.use), one.how) for one in made]
        print_columns([("meter", "cycle", "value", "use", "how"), *rows], numbers=[2, 3], cut={4: 12})
    click.echo(f"{counted(len(made), 'meter')} estimated.", err=True)
    _check(outcome.error for outcome in outcomes)


def _check(outcomes: Iterable[Exception | None]) -> None:
    """Say what could not be decided, and end with status 1 then."""
    if refused := [outcome for outcome in outcomes if outcome]:
        raise DecisionError("; ".join(map(str, refused)))


def _row(one: Waiting) -> tuple[str, ...]:
    odd = [*one.flags, *([one.reason] if one.reason else [])]
    return (
        *(one.job.meter.number, ", ".join(odd)),
        *("" if number is None else str(number) for number in (one.value, one.expected, one.job.previous)),
        *(one.cause or "", one.job.route, sparkline(use_a_day(one.past))),
        *(one.username, local_time(one.when), one.job.cycle),
    )
