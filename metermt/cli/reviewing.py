"""The dialogue in which results are decided on one by one."""

from collections.abc import Sequence
from dataclasses import replace

import click

from metermt.calls.officecalls import OfficeCalls
from metermt.calls.review import Said
from metermt.cli.common import Register
from metermt.cli.sparkline import sparkline, use_a_day
from metermt.decisions import Verdict, Waiting
from metermt.errors import ConfirmReading, Error
from metermt.printable import counted, local_time, printable

_KEYS = {"a": Verdict.APPROVE, "e": Verdict.EDIT, "t": Verdict.ESTIMATE, "r": Verdict.REREAD}
_ASK = "[a]pprove, [e]dit, es[t]imate, [r]ead again, [s]kip, [q]uit"


def review_each(office: OfficeCalls, waiting: Sequence[Waiting]) -> None:
    """Show results one by one, and ask what is decided about each; what is decided is kept at once."""
    decided = 0
    for place, one in enumerate(waiting, 1):
        click.echo(f"\n{place} of {len(waiting)}")
        click.echo("\n".join(described(one)))
        key = click.prompt(_ASK, type=click.Choice([*_KEYS, "s", "q"]), show_choices=False, prompt_suffix=": ")
        if key == "q":
            break
        if key in _KEYS:
            decided += _decide(office, one, _KEYS[key])
    click.echo(f"\n{counted(decided, 'result')} decided, {len(waiting) - decided} left.")


def _decide(office: OfficeCalls, one: Waiting, verdict: Verdict) -> bool:
    """Ask for what is wanted besides, and decide; tell whether that was taken, and say why if it was not."""
    value, why = None, ""
    if verdict is Verdict.EDIT:
        value = click.prompt("The value that counts", type=Register())
        why = click.prompt("Why")
    elif verdict is Verdict.REREAD:
        why = click.prompt("A note for whoever goes there", default="", show_default=False)
    refused: Error | None
    try:
        if verdict is Verdict.ESTIMATE:
            (outcome,) = office.estimate([one.reading])
            refused = outcome.error
            if outcome.made:
                click.echo(f"{outcome.made.value} counts: {outcome.made.how}")
        else:
            refused = _decided(office, Said(one.reading, verdict, value, why, sure=False))
    except Error as error:
        refused = error
    if refused:
        click.echo(f"Not decided: {printable(str(refused))}", err=True)
    return refused is None


def _decided(office: OfficeCalls, said: Said) -> Error | None:
    """Decide; a value that may be a slip is asked about. Return why that was refused, None if it was not."""
    (refused,) = office.decide([said])
    if not isinstance(refused, ConfirmReading) or not click.confirm(f"{refused}. Does it count all the same?"):
        return refused
    (refused,) = office.decide([replace(said, sure=True)])
    return refused


def described(one: Waiting) -> list[str]:
    """Return what is known of a result that waits, in lines."""
    job, said = one.job, str(one.value) if one.value is not None else "no reading"
    where = ", ".join(filter(None, (job.meter.address, job.route and f"{job.route} {job.sequence}", job.cycle)))
    odd = ", ".join([*one.flags, *([one.reason] if one.reason else [])])
    cause = f" ({one.cause}?)" if one.cause else ""
    lines = [
        f"{job.meter.number}, {where}",
        f"  {said}: {odd}{cause}",
        f"  by {one.username}, {local_time(one.when)}, quality {one.quality}",
    ]
    if job.previous is not None:
        use = "" if one.use is None else f", use {one.use}"
        lines.append(f"  previous {job.previous}{f' on {job.previous_date}' if job.previous_date else ''}{use}")
    if one.expected is not None:
        lines.append(f"  expected {one.expected}")
    if len(one.past) > 1:
        lines.append(f"  past {sparkline(use_a_day(one.past))} {' '.join(str(read.value) for read in one.past[-4:])}")
    if job.note:
        lines.append(f"  note: {job.note}")
    return [printable(line) for line in lines]
