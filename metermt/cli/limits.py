"""`metermt limits`: how soon a reading is asked about."""

import click

from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup
from metermt.cli.opened import OpenOffice, office_options
from metermt.printable import counted, local_time
from metermt.rules.limits import SENSITIVITY


@click.group(cls=MeterGroup, short_help="Say how soon a reading is asked about.")
def limits() -> None:
    """Say how soon a reading is asked about, and see beforehand what that would do."""


@limits.command(short_help="Show what is set, and who has set it.")
@office_options
def show(open_office: OpenOffice) -> None:
    """Show the sensitivity that is in force, and what was set before, by whom.

    \b
    Example:
        metermt limits show
    """
    with open_office() as office:
        found = office.list_settings()
    if not found:
        click.echo(f"sensitivity {SENSITIVITY:g}, as shipped")
        return
    rows = [(local_time(one.set_at), one.username, one.name, f"{float(one.value):g}") for one in found]
    print_columns([("when", "who", "setting", "value"), *rows], numbers=[3])


@limits.command(name="set", short_help="Have readings asked about sooner, or later.")
@click.argument("sensitivity", type=float)
@office_options
def set_(sensitivity: float, open_office: OpenOffice) -> None:
    """Set the SENSITIVITY, from 0.01 to 100: 1 is as shipped, more asks about more readings.

    It takes effect in cycles that are opened from now on; 'metermt limits renew' has an open one take it over.

    \b
    Example:
        metermt limits set 0.5
    """
    with open_office() as office:
        office.set_sensitivity(sensitivity)
    click.echo(f"The sensitivity is {sensitivity:g} for cycles that are opened from now on.")


@limits.command(short_help="Compute the limits of an open cycle anew.")
@click.argument("cycle")
@office_options
def renew(cycle: str, open_office: OpenOffice) -> None:
    """Judge the meters of CYCLE that are not read yet by what is known by now: more history, another sensitivity.

    \b
    Example:
        metermt limits renew 2026-11
    """
    with open_office() as office:
        done = office.renew_limits(cycle)
    click.echo(f"{counted(done.jobs, 'job has', 'jobs have')} new limits.")
    if done.without_history:
        meters = counted(done.without_history, "meter has", "meters have")
        click.echo(f"{meters} too little history to judge a reading by.", err=True)


@limits.command(short_help="See what another setting would have done.")
@click.option("--setting", "sensitivity", type=float, required=True, metavar="SENSITIVITY", help="The one to try.")
@click.option("--cycle", "cycles", multiple=True, help="This cycle; may be given several times.  [default: the last 3]")
@office_options
def replay(sensitivity: float, cycles: tuple[str, ...], open_office: OpenOffice) -> None:
    """See how many readings of the last cycles another sensitivity would have asked about. Nothing is changed.

    'corrected' are values that their readers have corrected since: of these as many as possible should be asked about.

    \b
    Example:
        metermt limits replay --setting 2
    """
    with open_office() as office:
        found = office.replay_limits(sensitivity, cycles)
    headings = ("cycle", "readings", "asked", f"by {sensitivity:g}", "corrected", "asked", f"by {sensitivity:g}")
    rows = [
        (
            one.cycle,
            *map(str, (one.readings, one.asked, one.would_be_asked)),
            *map(str, (one.corrected, one.corrected_asked, one.corrected_would_be_asked)),
        )
        for one in found
    ]
    print_columns([headings, *rows], numbers=range(1, 7))
