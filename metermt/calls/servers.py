"""The servers that share a store: each says now and then that it is alive, and clears up after those that are not."""

from dataclasses import replace

from metermt.calls.asking import Ask, Weight
from metermt.calls.clocks import set_right
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.model import Role, Server
from metermt.rules.clocks import can_have_been
from metermt.version import VERSION

BEAT_SECONDS = 3.0
"""Between two signs of life of a server."""
DEAD_SECONDS = 10.0
"""Without a sign of life, and a server is taken for dead: it has missed three."""


@call(Role.ADMIN, Weight.READ)
def list_servers(turn: Turn, ask: Ask[None]) -> list[Server]:  # noqa: ARG001 - it is told nothing
    """Return the servers that share the store, sorted by name."""
    return turn.tx.servers.all()


def say_alive(turn: Turn, readers: int) -> None:
    """Note that this server is alive, with so many readers.

    What is held by sessions that were connected to a server that has died is left to their readers. What a clock has
    left behind that was wrong is set right.
    """
    set_right(turn)
    turn.tx.servers.note(Server(turn.server, VERSION, readers, turn.now))
    servers = turn.tx.servers.all()
    for server in servers:
        if not can_have_been(server.seen_at, turn.now):
            turn.tx.servers.note(replace(server, seen_at=turn.now))
    dead = [server.name for server in servers if server.seen_at < turn.now - DEAD_SECONDS]
    for name in dead:
        turn.tx.sessions.leave_all(name)
    turn.tx.servers.forget(dead)


def say_goodbye(turn: Turn) -> None:
    """Leave to their readers what sessions hold that were connected to this server: nobody is now."""
    turn.tx.sessions.leave_all(turn.server)
    turn.tx.servers.forget([turn.server])
