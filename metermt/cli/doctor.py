"""`metermt doctor`: whether all is well."""

from collections.abc import Iterator
from time import monotonic

import click

from metermt.calls.accounts import list_users
from metermt.calls.office import list_routes
from metermt.cli.common import MeterCommand, database_option
from metermt.cli.office import Office, office
from metermt.cli.seen import Seen, print_servers, servers_of
from metermt.config import DatabasePlace
from metermt.errors import StoreAway
from metermt.model import User
from metermt.version import VERSION


@click.command(cls=MeterCommand, short_help="Say whether the database and its servers are well.")
@database_option
@click.pass_context
def doctor(context: click.Context, database: DatabasePlace) -> None:
    """Say whether the database can be used, how far its cycles are, and which servers share it.

    All is well (exit status 0) when users can log in and every server of the database is alive, one at least. Else
    each problem is a line that says what to do, and the exit status is 1.

    \b
    Example:
        metermt doctor
        metermt doctor --database postgresql://metermt@db.example.org/metermt
    """
    asked_at = monotonic()
    try:
        with office(database, create=False) as opened:
            answered = (monotonic() - asked_at) * 1000
            click.echo(f"{opened.store.place()} answers in {answered:.1f} ms and is right for MeterMT {VERSION}.")
            _tell_cycles(opened)
            users, servers = opened.ask(list_users, None), servers_of(opened)
    except StoreAway as error:
        raise StoreAway(f"{error}; see that it runs, and that it lets in this machine and user") from error
    disabled = sum(user.disabled for user in users)
    click.echo(f"{_number(len(users), 'user')}{f', {disabled} of them disabled' if disabled else ''}.")
    if servers:
        print_servers(servers)
    problems = list(_problems(users, servers))
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    if problems:
        context.exit(1)
    click.echo("All is well.")


def _tell_cycles(opened: Office) -> None:
    cycles = opened.store.read(lambda tx: [cycle for cycle, is_open in tx.jobs.cycles().items() if is_open])
    routes = opened.ask(list_routes, None)
    for cycle in cycles:
        mine = [route for route in routes if route.cycle == cycle]
        done, total = sum(route.done for route in mine), sum(route.total for route in mine)
        click.echo(f"Cycle {cycle} is open: {done} of {_number(total, 'job')} done, on {_number(len(mine), 'route')}.")
    if not cycles:
        click.echo("No cycle is open: 'metermt routes import' opens one.")


def _problems(users: list[User], servers: list[Seen]) -> Iterator[str]:
    if all(user.disabled for user in users):
        yield "Nobody can log in: add a user with 'metermt users add'"
    if not servers:
        yield "No server runs on this database: start one with 'metermt serve'"
    for seen in servers:
        if not seen.is_alive:
            yield f"{seen.server.name} gave its last sign of life {seen.seconds:.0f} s ago: start it again"


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
