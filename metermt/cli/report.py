"""`metermt report`: what became of a cycle."""

from pathlib import Path

import click

from metermt.cli import reportwords as words
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterCommand
from metermt.cli.opened import OpenOffice, office_options
from metermt.cli.outfile import check_free, in_words, written
from metermt.printable import counted, printable
from metermt.report import Report
from metermt.wire import to_text


@click.command(cls=MeterCommand, short_help="See what became of a cycle.")
@click.argument("cycle")
@click.option(
    "--html",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write it as a page for printing.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@office_options
def report(cycle: str, file: Path | None, force: bool, as_json: bool, open_office: OpenOffice) -> None:
    """Report on CYCLE, open or closed: how well it was read, by whom, what was used, and what is worth a look.

    Uses are compared with those of the same cycle of the year before.

    \b
    Columns of readers:
        read         meters with a value of theirs
        not read     meters of which they said why there is none
        odd          flags of their readings
        typed twice  values beyond the limits that they have typed twice
        corrected    values that they have replaced themselves
        replaced     values that somebody else, or the office, has replaced
        an hour      stops, while they were at work
        most a day   stops; then the most within a minute

    \b
    Example:
        metermt report 2026-11
        metermt report 2026-11 --html november.html
    """
    if file:
        check_free(file, open_office.database, force=force)
    with open_office() as office:
        made = office.make_report(cycle)
    if file:
        from metermt.cli.reportpage import page_of  # noqa: PLC0415 - few want a page

        with written(file) as out:
            out.write(page_of(made))
        click.echo(f"The report of {cycle} is written to {in_words(file)}.", err=True)
    if as_json:
        click.echo(to_text(made))
    elif not file:
        _print(made)


def _print(made: Report) -> None:
    click.echo(printable(words.heading(made)))
    total = made.shares.total
    click.echo(f"\n{counted(total, 'job')}")
    shares = [(name, str(number), words.percent(number, total)) for name, number in words.shares(made).items()]
    print_columns([("result", "jobs", "share"), *shares], numbers=[1, 2])
    _print_lines("Worth a look", words.worth_a_look(made))
    if made.hints:
        click.echo(words.NO_ACCUSATION)
    if made.readers:
        click.echo()
        rows = [words.READERS, *map(words.reader_row, made.readers)]
        print_columns(rows, numbers=range(1, len(words.READERS)), cut={0: 8})
        _print_lines("", words.details(made))
    if made.routes:
        click.echo()
        rows = [words.ROUTES, *words.route_rows(made)]
        print_columns(rows, numbers=range(2, len(words.ROUTES)), cut={0: 8})
        if made.last_year is None:
            click.echo("There is no such cycle of the year before.")
    _print_lines("Estimated twice running", words.estimated_twice(made))
    if rest := made.estimated_twice_in_all - len(made.estimated_twice):
        click.echo(f"And {rest} more.")


def _print_lines(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"\n{title}" if title else "")
        for line in lines:
            click.echo(printable(line))
