"""`metermt users`: who may log in."""

import sys

import click

from metermt.calls.accounts import (
    NewPassword,
    NewRole,
    NewUser,
    Username,
    add_user,
    disable_user,
    find_user,
    list_users,
    set_password,
    set_role,
)
from metermt.cli.common import MeterGroup, database_option
from metermt.cli.office import office
from metermt.config import DatabasePlace
from metermt.errors import UserError
from metermt.model import Role, User
from metermt.passwords import SHORT

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
def add(username: str, full_name: str, role: str, *, password_stdin: bool, database: DatabasePlace) -> None:
    """Add a user; the password is asked for twice.

    A reader reads meters, a supervisor sees how far the routes are, an admin may do everything.

    \b
    Example:
        metermt users add carol --name "Carol Dent"
        metermt users add gwenda --name "Gwenda Pryce" --role supervisor
    """
    user = User(username, full_name.strip(), role=Role(role))
    with office(database) as opened:
        if opened.store.read(lambda tx: tx.accounts.find([username])):  # before a password is typed twice for nothing
            raise UserError(f"There is a user {username!r} already")
        opened.ask(add_user, NewUser(user, _new_password(from_stdin=password_stdin)))
    click.echo(f"Added {username}, {user.full_name}{_in_brackets(user)}.")


@users.command(name="list")
@database_option
def list_(database: DatabasePlace) -> None:
    """List the users.

    \b
    Example:
        metermt users list
    """
    with office(database, create=False) as opened:
        found = opened.ask(list_users, None)
    if not found:
        click.echo("No users: add some with 'metermt users add'.", err=True)
    width = max((len(user.username) for user in found), default=0)
    for user in found:
        click.echo(f"{user.username:{width}}  {user.full_name} {_in_brackets(user)}".rstrip())


@users.command(short_help="Give a user a new password.")
@click.argument("username", metavar="NAME")
@_password_stdin
@database_option
def passwd(username: str, *, password_stdin: bool, database: DatabasePlace) -> None:
    """Give a user a new password, and log them out everywhere.

    \b
    Example:
        metermt users passwd carol
    """
    with office(database, create=False) as opened:
        opened.ask(find_user, Username(username))  # before a password is typed twice for nothing
        opened.ask(set_password, NewPassword(username, _new_password(from_stdin=password_stdin)))
    click.echo(f"Changed the password of {username}.")


@users.command(short_help="Give a user another role.")
@click.argument("username", metavar="NAME")
@click.argument("new_role", metavar="ROLE", type=_ROLES)
@database_option
def role(username: str, new_role: str, database: DatabasePlace) -> None:
    """Let a user do what a reader, a supervisor or an admin may do.

    \b
    Example:
        metermt users role carol supervisor
    """
    with office(database, create=False) as opened:
        opened.ask(set_role, NewRole(username, Role(new_role)))
    click.echo(f"Changed the role of {username} to {new_role}.")


@users.command(short_help="Let a user in no more.")
@click.argument("username", metavar="NAME")
@database_option
def disable(username: str, database: DatabasePlace) -> None:
    """Let a user in no more, and log them out everywhere; their readings stay.

    \b
    Example:
        metermt users disable carol
    """
    with office(database, create=False) as opened:
        opened.ask(disable_user, Username(username))
    click.echo(f"Disabled {username}.")


def _in_brackets(user: User) -> str:
    """Return what is to be told of a user who is not just a reader, with a blank before it."""
    words = [user.role.value] if user.role is not Role.READER else []
    words += ["disabled"] if user.disabled else []
    return f" ({', '.join(words)})" if words else ""


def _new_password(*, from_stdin: bool) -> str:
    if from_stdin:
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # any bytes can be a password
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    if 0 < len(password) < SHORT:
        click.echo(f"Warning: a password of less than {SHORT} characters is easily guessed.", err=True)
    return str(password)
