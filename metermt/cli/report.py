"""`metermt report`: what became of a cycle."""

from pathlib import Path

import click

from metermt.cli import reportwords as words
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterCommand
from metermt.cli.office import Opening, office_options
from metermt.errors import SettingError, StoreError
from metermt.printable import counted, printable
from metermt.report import Report
from metermt.wholefile import whole_file
from metermt.wire import to_text

_OWNER_ONLY = 0o600  # it names readers


@click.command(cls=MeterCommand, short_help="See what became of a cycle.")
@click.argument("cycle")
@click.option(
    "--html", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a page for printing."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@office_options
def report(cycle: str, file: Path | None, as_json: bool, open_office: Opening) -> None:
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
    if file and file.is_file():
        raise SettingError(f"{file} is there already: choose another name")
    with open_office() as office:
        made = office.make_report(cycle)
    if file:
        from metermt.cli.reportpage import page_of  # noqa: PLC0415 - few want a page

        try:
            with whole_file(file, _OWNER_ONLY) as out:
                out.write(page_of(made))
        except OSError as error:
            raise StoreError(f"Cannot write {file}: {error.strerror}") from error
        click.echo(f"The report of {cycle} is in {file}.", err=True)
    if as_json:
        click.echo(to_text(made))
    elif not file:
        _print(made)


def _print(made: Report) -> None:
    click.echo(printable(words.heading(made)))
    total = made.shares.total
    click.echo(f"\n{counted(total, 'job')}")
    rows = [(name, str(number), words.percent(number, total)) for name, number in words.shares(made).items()]
    print_columns([("result", "jobs", "share"), *rows], numbers=[1, 2])
    _print_lines("Worth a look", words.worth_a_look(made))
    if made.hints:
        click.echo(words.NO_ACCUSATION)
    if made.readers:
        click.echo()
        print_columns([words.READERS, *map(words.reader_row, made.readers)], numbers=range(1, len(words.READERS)))
        _print_lines("", words.details(made))
    if made.routes:
        click.echo()
        print_columns([words.ROUTES, *words.route_rows(made)], numbers=range(2, len(words.ROUTES)))
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
