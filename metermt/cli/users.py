"""`metermt users`: who may log in."""

import sys
from pathlib import Path

import click

from metermt.cli.common import MeterGroup, database_option
from metermt.errors import UserError
from metermt.model import Account, User
from metermt.passwords import SHORT, hash_password
from metermt.store.sqlite import SqliteStore

_password_stdin = click.option("--password-stdin", is_flag=True, help="Take the password from standard input.")


@click.group(cls=MeterGroup)
def users() -> None:
    """Say who may log in. Works beside a running server."""


@users.command()
@click.argument("username", metavar="NAME")
@click.option("--name", "full_name", required=True, metavar='"FULL NAME"', help="How the reader is greeted.")
@_password_stdin
@database_option
def add(username: str, full_name: str, *, password_stdin: bool, database: Path) -> None:
    """Add a user; the password is asked for twice.

    \b
    Example:
        metermt users add carol --name "Carol Dent"
    """
    user = User(username, full_name.strip())
    with SqliteStore(database) as store:
        if store.find_account(username):  # before a password is typed twice for nothing
            raise UserError(f"There is a user {username!r} already")
        store.add_user(Account(user, hash_password(_new_password(from_stdin=password_stdin))))
    click.echo(f"Added {username}, {user.full_name}.")


@users.command(name="list")
@database_option
def list_(database: Path) -> None:
    """List the users.

    \b
    Example:
        metermt users list
    """
    with SqliteStore(database, create=False) as store:
        found = store.users()
    if not found:
        click.echo("No users: add some with 'metermt users add'.", err=True)
    width = max((len(user.username) for user in found), default=0)
    for user in found:
        click.echo(f"{user.username:{width}}  {user.full_name}{'  (disabled)' if user.disabled else ''}")


@users.command(short_help="Give a user a new password.")
@click.argument("username", metavar="NAME")
@_password_stdin
@database_option
def passwd(username: str, *, password_stdin: bool, database: Path) -> None:
    """Give a user a new password, and log them out everywhere.

    \b
    Example:
        metermt users passwd carol
    """
    with SqliteStore(database, create=False) as store:
        if not store.find_account(username):
            raise UserError(f"There is no user {username!r}")
        store.set_password(username, hash_password(_new_password(from_stdin=password_stdin)))
    click.echo(f"Changed the password of {username}.")


@users.command(short_help="Let a user in no more.")
@click.argument("username", metavar="NAME")
@database_option
def disable(username: str, database: Path) -> None:
    """Let a user in no more, and log them out everywhere; their readings stay.

    \b
    Example:
        metermt users disable carol
    """
    with SqliteStore(database, create=False) as store:
        store.disable_user(username)
    click.echo(f"Disabled {username}.")


def _new_password(*, from_stdin: bool) -> str:
    if from_stdin:
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # any bytes can be a password
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    if 0 < len(password) < SHORT:
        click.echo(f"Warning: a password of less than {SHORT} characters is easily guessed.", err=True)
    return str(password)
