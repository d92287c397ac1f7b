"""The servers that share a database, and which of them are alive."""

from typing import NamedTuple

from metermt.calls.servers import DEAD_SECONDS, list_servers
from metermt.cli.columns import print_columns
from metermt.cli.opened import Office
from metermt.model import Server


class SeenServer(NamedTuple):
    """A server, and how many seconds ago it gave its last sign of life."""

    server: Server
    seconds: float

    @property
    def is_alive(self) -> bool:
        """Whether others take it for alive."""
        return self.seconds <= DEAD_SECONDS


def servers_of(opened: Office) -> list[SeenServer]:
    """Return the servers of a database, sorted by name."""
    found = opened.call(list_servers, None)
    now = opened.store.clock()
    return [SeenServer(server, max(0.0, now - server.seen_at)) for server in found]


def print_servers(found: list[SeenServer]) -> None:
    """Print them in columns."""
    rows = [
        (server.name, server.version, str(server.readers), f"{seconds:.1f} s ago", "yes" if seen.is_alive else "no")
        for seen in found
        for server, seconds in [seen]
    ]
    print_columns([("server", "version", "readers", "last sign of life", "alive"), *rows], numbers=[2], cut={0: 12})
