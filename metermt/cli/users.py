"""`metermt users`: who may log in."""

import sys
from datetime import UTC, datetime

import click

from metermt.calls.accounts import (
    NewName,
    NewPassword,
    NewRole,
    NewUser,
    Username,
    UserState,
    add_user,
    disable_user,
    enable_user,
    find_user,
    list_user_states,
    rename_user,
    set_password,
    set_role,
    unlock_user,
)
from metermt.cli.columns import print_columns
from metermt.cli.common import MeterGroup, database_option, password_from_stdin
from metermt.cli.opened import office
from metermt.config import DatabaseLocation
from metermt.errors import UserError
from metermt.model import Role, User
from metermt.printable import local_time

_password_stdin = click.option("--password-stdin", is_flag=True, help="Take the password from standard input.")
_ROLES = click.Choice([role.value for role in Role])


@click.group(cls=MeterGroup)
def users() -> None:
    """Say who may log in. Works beside a running server."""


@users.command()
@click.argument("username", metavar="NAME")
@click.option("--name", "full_name", required=True, metavar='"FULL NAME"', help="How the user is greeted.")
@click.option("--role", type=_ROLES, default=Role.READER.value, show_default=True, help="What the user may do.")
@_password_stdin
@database_option
def add(username: str, full_name: str, role: str, *, password_stdin: bool, database: DatabaseLocation) -> None:
    """Add a user; the password is asked for twice.

    A reader reads meters, a supervisor does the work of the office, an admin may do everything.

    \b
    Example:
        metermt users add carol --name "Carol Dent"
        metermt users add gwenda --name "Gwenda Pryce" --role supervisor
    """
    user = User(username, full_name.strip(), role=Role(role))
    with office(database) as opened:
        if opened.store.read(lambda tx: tx.accounts.find([username])):  # before a password is typed twice for nothing
            raise UserError(f"There is a user {username!r} already")
        _warn(opened.call(add_user, NewUser(user, _new_password(from_stdin=password_stdin))))
    in_brackets = f" ({role})" if user.role is not Role.READER else ""
    click.echo(f"Added {username}, {user.full_name}{in_brackets}.")


@users.command(name="list")
@database_option
def list_(database: DatabaseLocation) -> None:
    """List the users, and how their logins are.

    What they may do, who is disabled or has to wait, and who was there last. Times are local, with their zone.
    The last use of a login is forgotten some time after the login has ended.

    \b
    Example:
        metermt users list
    """
    with office(database, create=False) as opened:
        found = opened.call(list_user_states, None)
    if not found:
        click.echo("No users: add some with 'metermt users add'.", err=True)
        return
    rows = [
        (state.user.username, state.user.full_name, state.user.role.value, _in_words(state), _local(state.used_at))
        for state in found
    ]
    print_columns([("user", "full name", "role", "state", "last use"), *rows])


@users.command(short_help="Give a user a new password.")
@click.argument("username", metavar="NAME")
@_password_stdin
@database_option
def passwd(username: str, *, password_stdin: bool, database: DatabaseLocation) -> None:
    """Give a user a new password, and log them out everywhere; their failed logins are forgotten.

    \b
    Example:
        metermt users passwd carol
    """
    with office(database, create=False) as opened:
        user = opened.call(find_user, Username(username))  # before a password is typed twice for nothing
        if user.disabled:
            click.echo(f"{username} is disabled: the new password is good after 'metermt users enable'.", err=True)
        _warn(opened.call(set_password, NewPassword(username, _new_password(from_stdin=password_stdin))))
    click.echo(f"Changed the password of {username}.")


@users.command(short_help="Give a user another role.")
@click.argument("username", metavar="NAME")
@click.argument("new_role", metavar="ROLE", type=_ROLES)
@database_option
def role(username: str, new_role: str, database: DatabaseLocation) -> None:
    """Let a user do what a reader, a supervisor or an admin may do.

    \b
    Example:
        metermt users role carol supervisor
    """
    with office(database, create=False) as opened:
        opened.call(set_role, NewRole(username, Role(new_role)))
    click.echo(f"Changed the role of {username} to {new_role}.")


@users.command(short_help="Let a user in no more.")
@click.argument("username", metavar="NAME")
@database_option
def disable(username: str, database: DatabaseLocation) -> None:
    """Let a user in no more, and log them out everywhere; their readings stay.

    \b
    Example:
        metermt users disable carol
    """
    with office(database, create=False) as opened:
        opened.call(disable_user, Username(username))
    click.echo(f"Disabled {username}.")


@users.command(short_help="Let a user in again.")
@click.argument("username", metavar="NAME")
@database_option
def enable(username: str, database: DatabaseLocation) -> None:
    """Let a user in again who was disabled; the password is the old one.

    \b
    Example:
        metermt users enable carol
    """
    with office(database, create=False) as opened:
        opened.call(enable_user, Username(username))
    click.echo(f"Enabled {username}.")


@users.command(short_help="Let a user try again at once.")
@click.argument("username", metavar="NAME")
@database_option
def unlock(username: str, database: DatabaseLocation) -> None:
    """Let a user try again at once who had to wait after too many wrong passwords.

    \b
    Example:
        metermt users unlock carol
    """
    with office(database, create=False) as opened:
        opened.call(unlock_user, Username(username))
    click.echo(f"Unlocked {username}.")


@users.command(short_help="Give a user another full name.")
@click.argument("username", metavar="NAME")
@click.argument("full_name", metavar='"FULL NAME"')
@database_option
def rename(username: str, full_name: str, database: DatabaseLocation) -> None:
    """Say how a user is greeted; the name to log in by stays.

    \b
    Example:
        metermt users rename carol "Carol Dent-Ong"
    """
    with office(database, create=False) as opened:
        opened.call(rename_user, NewName(username, full_name.strip()))
    click.echo(f"{username} is {full_name.strip()} from now on.")


def _in_words(state: UserState) -> str:
    words = ["disabled"] if state.user.disabled else []
    words += [f"locked until {_local(state.locked_until)}"] if state.locked_until else []
    return ", ".join(words)


def _local(at: float | None) -> str:
    return local_time(datetime.fromtimestamp(at, UTC)) if at else ""


def _new_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return password_from_stdin()
    if not sys.stdin.isatty():
        raise UserError("There is no terminal to ask for the password at: say --password-stdin, and write it there")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="Again"))


def _warn(warning: str | None) -> None:
    if warning:
        click.echo(f"Warning: {warning}.", err=True)
