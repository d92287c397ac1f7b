"""Where commands of the office are carried out: on a database of this machine, or at a server."""

import functools
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from metermt.calls.asking import Call, Caller
from metermt.calls.audit import seal
from metermt.calls.desk import Desk
from metermt.calls.officecalls import OfficeCalls
from metermt.cli.common import database_option, login_name, password_from_stdin, servers_option, tls_options
from metermt.config import DatabaseLocation
from metermt.errors import StoreError, UserError
from metermt.model import Role
from metermt.store.base import Store
from metermt.store.opening import open_store

if TYPE_CHECKING:
    from metermt.cli.target import Target
    from metermt.client.client import MeterClient

Q = TypeVar("Q")
R = TypeVar("R")

_TIMEOUT = 60.0  # seconds: a large cycle is not closed in the ten that a reader would wait


@dataclass(frozen=True, slots=True)
class OpenOffice:
    """Called, it opens the database that a command is for, or logs in at the server, until the block ends."""

    open: Callable[[], AbstractContextManager[OfficeCalls]]
    database: DatabaseLocation | None = None
    """None at a server."""
    where: str = ""
    """The options that lead there, as they are typed behind a command; empty where none is needed."""

    def __call__(self) -> AbstractContextManager[OfficeCalls]:
        """Open it, or log in."""
        return self.open()


class Office(OfficeCalls):
    """Asks for calls as an admin: whoever may open the database file is one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._desk = Desk(store)

    def call(self, call: Call[Q, R], request: Q) -> R:
        """Return the result of a call, or raise what it raises."""
        return self._desk.ask(call, request, caller=Caller(role=Role.ADMIN))


@contextmanager
def office(database: DatabaseLocation, *, create: bool = True) -> Iterator[Office]:
    """Open a database until the block ends; one that is not there is made, unless told not to. Raises `StoreError`."""
    with open_store(database, create=create) as store:
        yield Office(store)
        with suppress(StoreError):  # what was done is done, and on record; it gets its place in the chain later then
            seal(store)


def office_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --database, and the options of a server; the command gets `open_office`, to open whichever is meant.

    A server is meant only if it is typed: settings of clients, which tell readers where theirs is, say no more than how
    it is trusted.
    """

    @database_option
    @servers_option("Do it at this server, or any of these, instead of on a database of this machine.")
    @click.option("--as", "as_whom", metavar="NAME", help="Log in there by this name.  [default: it is asked for]")
    @tls_options
    @functools.wraps(command)
    def with_office(
        *,
        database: DatabaseLocation,
        servers: tuple[str, ...],
        as_whom: str | None,
        tls_ca: Path | None,
        tls_cert: Path | None,
        **options: Any,
    ) -> Any:
        typed = click.get_current_context().get_parameter_source("database") is ParameterSource.COMMANDLINE
        if servers:
            if typed:
                raise click.UsageError("Name a database or a server, not both")
            from metermt.cli.target import target_of  # noqa: PLC0415 - and the client with it

            target = target_of({"servers": servers, "tls_ca": tls_ca, "tls_cert": tls_cert})
            where = _typed(
                *(("--server", one) for one in servers),
                ("--as", as_whom),
                ("--tls-ca", tls_ca),
                ("--tls-cert", tls_cert),
            )
            return command(open_office=OpenOffice(partial(logged_in, target, as_whom), where=where), **options)
        if as_whom or tls_ca or tls_cert:
            raise click.UsageError("--as, --tls-ca and --tls-cert are for a server: name it with --server")
        where = _typed(("--database", database if typed else None))
        return command(open_office=OpenOffice(partial(office, database, create=False), database, where), **options)

    return with_office


@contextmanager
def logged_in(target: "Target", as_whom: str | None) -> Iterator["MeterClient"]:
    """Log in at a server, and out again after the block. Connecting to one of a list finds out whether it is well."""
    with target() as client:
        client.timeout = _TIMEOUT
        username = as_whom or click.prompt("Username", default=login_name() or None, err=True)
        client.login(username, _password())
        try:
            yield client
        finally:
            client.farewell()


def _typed(*options: tuple[str, object]) -> str:
    """Return those options that have a value as they are typed, each with a blank before it."""
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in options if value)


def _password() -> str:
    """Ask a person for the password; else it is the next line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, err=True))
    if not (password := password_from_stdin()):
        raise UserError("There is no password on standard input: write it there, as a line of its own")
    return password
