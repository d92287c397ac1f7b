"""The `metermt` command: one subcommand for each program and for each task of ops."""

from importlib import import_module

import click

from metermt.cli.hints import HintingGroup
from metermt.version import VERSION

_COMMANDS = {
    "serve": "metermt.cli.serve",
    "console": "metermt.console.dialogue",
    "registry": "metermt.cli.registry",
    "gui": "metermt.gui.command",
    "outbox": "metermt.cli.outbox",
    "demo": "metermt.cli.demo",
    "users": "metermt.cli.users",
    "routes": "metermt.cli.routes",
    "cycles": "metermt.cli.cycles",
    "progress": "metermt.cli.progress",
    "history": "metermt.cli.history",
    "limits": "metermt.cli.limits",
    "readings": "metermt.cli.readings",
    "layouts": "metermt.cli.layouts",
    "review": "metermt.cli.review",
    "export": "metermt.cli.export",
    "batches": "metermt.cli.batches",
    "report": "metermt.cli.report",
    "reasons": "metermt.cli.reasons",
    "notes": "metermt.cli.notes",
    "meters": "metermt.cli.meters",
    "audit": "metermt.cli.audit",
    "logs": "metermt.cli.logs",
    "people": "metermt.cli.people",
    "services": "metermt.cli.services",
    "tls": "metermt.cli.tls",
    "ping": "metermt.cli.ping",
    "doctor": "metermt.cli.doctor",
    "backup": "metermt.cli.backup",
    "restore": "metermt.cli.backup",
    "database": "metermt.cli.database",
}


class _LazyGroup(HintingGroup):
    """Imports a subcommand when it is used, so that each starts with no more than it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_LazyGroup)
@click.version_option(VERSION)
def main() -> None:
    """MeterMT, a meter-reading server for field crews.

    \b
    Try it:                     metermt demo
    Run a server:               metermt serve
    Read meters:                metermt console, or metermt gui
    Say what is to be read:     metermt routes import FILE
    Prepare a month:            metermt cycles open 2026-11
    Fetch what was read:        metermt readings export FILE

    Every command has --help with an example.
    """
