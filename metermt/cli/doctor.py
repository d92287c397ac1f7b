"""`metermt doctor`: whether all is well."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click

from metermt.calls.accounts import list_users
from metermt.calls.routes import list_routes
from metermt.certificates import AUTHORITY
from metermt.cli.common import MeterCommand, address_options, database_option
from metermt.cli.findings import Finding
from metermt.cli.listeners import check_registry, check_servers
from metermt.cli.machine import check_backups, check_certificates, check_files
from metermt.cli.opened import Office, office
from metermt.cli.seen import SeenServer, print_servers, servers_of
from metermt.config import DatabaseLocation, default_tls_folder, is_url
from metermt.errors import Error, NotAStore, StoreAway, StoreError, StoreLocked, StoreTooNew
from metermt.model import User
from metermt.printable import counted
from metermt.version import VERSION

_CLOCK_SECONDS = 5.0  # by which two clocks may differ
_SEE_TO_DATABASE = "see that it runs, and that it lets in this machine and user"


@click.command(cls=MeterCommand, short_help="Say whether the database and its servers are well.")
@database_option
@address_options("look at, where a server is to listen")
@click.option(
    "--tls-folder",
    type=click.Path(path_type=Path),
    help="Where the certificates are.  [default: tls beside the database, or in your data folder]",
)
@click.option(
    "--backups", type=click.Path(path_type=Path), help="The folder of the backups: is the newest of today, and whole?"
)
@click.option("--registry", metavar="HOST[:PORT]", help="The registry that the servers register at.")
@click.option("--json", "as_json", is_flag=True, help="What was found as JSON, for programs.")
@click.pass_context
def doctor(
    context: click.Context,
    database: DatabaseLocation,
    host: str,
    port: int,
    tls_folder: Path | None,
    backups: Path | None,
    registry: str | None,
    *,
    as_json: bool,
) -> None:
    """Say whether the database can be used, how far its cycles are, and which servers share it.

    Looks at the database (all of it, if it is a file), who can read its files, the room on the disk, for what billing
    waits in vain, when certificates end, whether servers answer, clocks, and, if told where, at the backups and the
    registry.

    All is well (exit status 0) when nothing needs to be done. Else each problem is a line that says what to do, and the
    exit status is 1.

    \b
    Example:
        metermt doctor --backups /backup
        metermt doctor --database postgresql://metermt@db.example.org/metermt
    """
    servers: list[SeenServer] = []
    findings = _all_of(database, host, port, tls_folder or default_tls_folder(database), backups, registry, servers)
    found: list[Finding] = []
    if as_json:
        try:
            found.extend(findings)
        except Error as error:
            found.append(Finding("database", str(error), _mend_of(error, database)))
        rows = [{"check": one.check, "well": one.is_well, "text": one.text, "mend": one.mend} for one in found]
        click.echo(json.dumps({"well": all(one.is_well for one in found), "findings": rows}, indent=2))
    else:
        for one in findings:
            found.append(one)
            if one.is_well:
                click.echo(f"{one.text}.")
            else:
                click.echo(f"Problem: {one.text}: {one.mend}", err=True)
        if servers:
            print_servers(servers)
    if not all(one.is_well for one in found):
        context.exit(1)
    if not as_json:
        click.echo("All is well.")


def _mend_of(error: Error, database: DatabaseLocation) -> str:
    """Say what to do when a database cannot be looked into."""
    match error:
        case StoreTooNew():
            return "install the newer version, in a checkout of it: pip install --upgrade ."
        case NotAStore():
            return "metermt doctor --database FILE, with another file"
        case StoreLocked():
            return f"stop the program that keeps it: fuser -v {database}"
        case StoreAway():
            return _SEE_TO_DATABASE
    return "metermt doctor --database FILE, with the right file and as the user that runs the server"


def _all_of(
    database: DatabaseLocation,
    host: str,
    port: int,
    tls_folder: Path,
    backups: Path | None,
    registry: str | None,
    servers: list[SeenServer],
) -> Iterator[Finding]:
    """Look at everything; put the servers of the database into the list."""
    if not is_url(database) and (file := Path(database)).exists():
        found = list(_check_file(file))
        yield from found
        if not all(one.is_well for one in found):  # then it is not opened, which might change it
            return
        yield from check_files(file)
    yield from _check_database(database, servers)
    yield from check_certificates(tls_folder)
    yield from check_servers(servers, host, port, tls_folder / AUTHORITY)
    if backups:
        yield check_backups(backups, str(database))
    if registry:
        yield check_registry(registry)


def _check_file(file: Path) -> Iterator[Finding]:
    """Read all of a database, and change nothing."""
    from metermt.store.sqlite.inspection import inspected  # noqa: PLC0415 - only the store that is used is loaded

    try:
        found = inspected(file)
    except (NotAStore, StoreTooNew):
        raise
    except StoreError as error:
        yield Finding("database", str(error), f"metermt restore BACKUP --database {file}, with the servers stopped")
        return
    if found.is_outdated:
        yield Finding(
            "database",
            f"{file} is of an older version of MeterMT",
            "stop its servers, and start them with this version, which brings it up to date",
        )
    else:
        yield Finding("database", f"{file} is whole: {found.in_words()}")


def _check_database(database: DatabaseLocation, servers: list[SeenServer]) -> Iterator[Finding]:
    asked_at = time.monotonic()
    try:
        with office(database, create=False) as opened:
            opened.store.write(lambda _tx: None)
            answered = (time.monotonic() - asked_at) * 1000
            location = opened.store.location()
            yield Finding("database", f"{location} answers in {answered:.1f} ms and is right for MeterMT {VERSION}")
            yield from _check_cycles(opened)
            yield from _check_billing(opened)
            yield from _check_users(opened.call(list_users, None))
            servers += servers_of(opened)
            yield from _check_signs_of_life(servers, location)
            yield _check_clock(opened.store.clock() - time.time())
    except StoreAway as error:
        raise StoreAway(f"{error}; {_SEE_TO_DATABASE}") from error


def _check_cycles(opened: Office) -> Iterator[Finding]:
    cycles = opened.store.read(lambda tx: [cycle for cycle, is_open in tx.cycles.all().items() if is_open])
    routes = opened.call(list_routes, None)
    for cycle in cycles:
        mine = [route for route in routes if route.cycle == cycle]
        done, total = sum(route.done for route in mine), sum(route.total for route in mine)
        progress = f"{done} of {counted(total, 'job')} done, on {counted(len(mine), 'route')}"
        yield Finding("cycles", f"Cycle {cycle} is open: {progress}")
    if not cycles:
        yield Finding("cycles", "No cycle is open: 'metermt cycles open' opens one")


def _check_billing(opened: Office) -> Iterator[Finding]:
    """Look for what was to be read again in cycles that are closed by now: nobody is handed that any more."""
    cycles = opened.store.read(lambda tx: tx.cycles.all())
    for held in opened.held_back():
        if held.again and not cycles[held.cycle]:
            yield Finding(
                "billing",
                f"{counted(held.again, 'meter')} of {held.cycle}, which is closed, had to be read again, and no later"
                f" use there is billed (metermt routes missing --cycle {held.cycle})",
                f"metermt review give-up METER --cycle {held.cycle} --why WHY, or metermt cycles reopen {held.cycle}",
            )


def _check_users(users: list[User]) -> Iterator[Finding]:
    disabled = sum(user.disabled for user in users)
    count = f"{counted(len(users), 'user')}{f', {disabled} of them disabled' if disabled else ''}"
    yield Finding("users", count)
    if disabled == len(users):
        add = "metermt users add NAME --name 'FULL NAME'"
        yield Finding("users", "Nobody can log in", f"metermt users enable NAME, or {add}" if users else add)


def _check_signs_of_life(servers: list[SeenServer], location: str) -> Iterator[Finding]:
    start = f"metermt serve --database {location}"
    if not servers:
        yield Finding("servers", "No server runs on this database", start)
    for seen in servers:
        if not seen.is_alive:
            yield Finding(
                "servers",
                f"{seen.server.name} gave its last sign of life {seen.seconds:.0f} s ago",
                f"{start}, there",
            )


def _check_clock(ahead: float) -> Finding:
    """Look by how many seconds the clock of the database is ahead of the one here."""
    if abs(ahead) > _CLOCK_SECONDS:
        return Finding(
            "clock",
            f"the clock of this machine is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} the database's",
            "timedatectl set-ntp true",
        )
    return Finding("clock", f"The clocks of this machine and of the database differ by {abs(ahead):.1f} s")
