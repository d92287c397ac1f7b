"""`metermt gui`: the desktop window."""

from dataclasses import replace

import click

from metermt.cli.common import Database, MeterCommand, check_database, login_name
from metermt.cli.logsetup import set_up_log
from metermt.cli.target import Target, http_option, server_options
from metermt.client.client import MeterClient
from metermt.config import DATABASE_VARIABLE, IN_MEMORY, DatabaseLocation
from metermt.errors import SettingError


@click.command(cls=MeterCommand)
@server_options
@http_option
@click.option(
    "--database",
    type=Database(),
    envvar=DATABASE_VARIABLE,
    callback=check_database,
    help="The database of the server, if the window starts one.  [default: the one that `metermt serve` uses]",
)
@click.option("--demo", is_flag=True, help="If the window starts a server, let it be the demo.")
def gui(connect: Target, database: DatabaseLocation | None, *, demo: bool) -> None:
    """Read meters in a window.

    When no server answers on this machine the window starts one, and stops it when it is closed. A database without
    users is given its first one.

    \b
    Example:
        metermt gui -h meter.example.org
        metermt gui --server one.example.org,other.example.org
    """
    set_up_log("warning")
    if str(database) == IN_MEMORY and not demo:
        raise click.UsageError("nobody could log in to a server with a new :memory: database: add --demo")
    open_window(connect, database, demo=demo)


def open_window(connect: Target, database: DatabaseLocation | None = None, *, demo: bool = False) -> None:
    """Show the window until it is closed. Raises `SettingError` if that is not possible here."""
    try:
        from metermt.gui.app import Window  # noqa: PLC0415 - so that --help needs no tkinter
    except ModuleNotFoundError as error:
        if error.name not in ("tkinter", "_tkinter"):
            raise
        raise SettingError("This Python has no tkinter: install what Debian calls python3-tk") from error
    from metermt.demo import USERS  # noqa: PLC0415
    from metermt.gui.first_account import FirstAccount  # noqa: PLC0415
    from metermt.gui.opening import Opening  # noqa: PLC0415
    from metermt.localserver import LOCAL_HOSTS, LocalServer  # noqa: PLC0415

    if connect.host not in LOCAL_HOSTS or not connect.is_direct:
        Window(Opening(connect.with_outbox, username=login_name())).run()
        return
    server = LocalServer(connect.host, connect.port, database=database, demo=demo)
    *names, last = USERS
    greeting = f"Log in as {', '.join(names)} or {last}; the password is the name." if demo else ""

    def connect_to_own() -> MeterClient:
        return replace(connect, host=server.host, port=server.port).with_outbox()

    opening = Opening(
        connect_to_own,
        server,
        first_account=None if demo else FirstAccount(database),
        greeting=greeting,
        username=login_name(),
    )
    Window(opening, server).run()
