"""How a window finds its server: one that runs, or else, where that is wanted, one that is started for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from metermt.client.client import MeterClient
from metermt.errors import DeadlineExceeded, NotAMeterServer, ServerLost
from metermt.gui.first_account import FirstAccount

_FIRST_ANSWER = 3.0  # seconds that whatever listens there has to show that it is a meter server


class OwnServer(Protocol):
    """A server on this machine that can be started. `metermt.localserver.LocalServer` is one."""

    def start(self) -> None:
        """Start it. Raises `ServerUnreachable`."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a window is opened with.

    `connect` makes a client. `own_server` is what to start when nobody answers, None for nothing; `first_account`
    belongs to its database, None if that has accounts for sure. `greeting` is what to say when it was started.
    """

    connect: Callable[[], MeterClient]
    own_server: OwnServer | None = None
    first_account: FirstAccount | None = None
    greeting: str = ""
    username: str = ""
    """Who is likely to log in."""

    def reach(self) -> MeterClient:
        """Return a client that a meter server has answered. Raises `ConnectionFailed`."""
        client = self.connect()
        usual, client.timeout = client.timeout, _FIRST_ANSWER
        try:
            client.ping()
        except (ServerLost, NotAMeterServer, DeadlineExceeded) as error:
            client.close()
            place = f"{client.host}:{client.port}"
            why = "" if isinstance(error, DeadlineExceeded) else f". {error}"
            raise ServerLost(f"What answers at {place} is not a meter server, or it hangs{why}") from error
        except BaseException:
            client.close()
            raise
        client.timeout = usual
        return client

    def start(self) -> tuple[MeterClient, bool]:
        """Start the server; return a client, and whether a first account is needed. Raises `ConnectionFailed`."""
        assert self.own_server is not None
        self.own_server.start()
        return self.reach(), self.first_account is not None and self.first_account.is_needed()
