"""Who is connected to a server, by whichever door, and who is let in beside them."""

import errno
import time
from threading import Lock
from typing import Protocol

from metermt.calls.asking import Caller
from metermt.calls.desk import Desk
from metermt.calls.regulars import network_of
from metermt.config import Limits
from metermt.rules.seats import Seats

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # no descriptor, or no memory


class Guest(Protocol):
    """One who is connected."""

    @property
    def caller(self) -> Caller:
        """Who it is."""

    def leave(self) -> None:
        """Hang up on the guest, from any thread."""

    def __hash__(self) -> int: ...


class Guests:
    """All who are connected: one bound for all doors, which tell what changes. For any thread."""

    def __init__(self, desk: Desk, limits: Limits) -> None:
        self._desk = desk
        self._lock = Lock()  # guards the two below
        self._is_busy: dict[Guest, bool] = {}  # all who are here, and whether they wait for something that takes long
        self._seats: Seats[Guest] = Seats(limits.connections, limits.connections_an_address)
        desk.counting.connections = self.by_state

    def __len__(self) -> int:
        return len(self._is_busy)

    def by_state(self) -> dict[str, int]:
        """Return how many are strangers, have logged in, or have and wait for something that takes long."""
        with self._lock:
            guests = list(self._is_busy.items())
        states = ["stranger" if not one.caller.sessions else "busy" if busy else "logged-in" for one, busy in guests]
        return {state: states.count(state) for state in ("stranger", "logged-in", "busy")}

    def room_for(self, address: str) -> str:
        """Say why nobody from an address is let in now; empty if there is room, which was made if need be."""
        is_regular = self._desk.regulars.knows_address(address)
        with self._lock:
            verdict = self._seats.judged(network_of(address), time.monotonic(), is_regular=is_regular)
            if verdict.leaving:
                self._seats.went(verdict.leaving)
        if why := verdict.refusal:
            words = "refused a connection from %s: %s"
            self._desk.journal.warning("refused connections", address, words, address, why)
        elif verdict.leaving:
            left = verdict.leaving.caller.address
            words = "hung up on %s, who had not logged in: others need the place"
            self._desk.journal.info("strangers who made room", left, words, left)
            verdict.leaving.leave()
        return why

    def could_not_come(self, error: OSError) -> None:
        """Take note that the system did not let anybody in, at either door; whoever was gone again is not told of."""
        if error.errno in _NO_ROOM:
            words = "cannot accept a connection: %s"
            self._desk.journal.warning("connections that could not be accepted", "", words, error.strerror)

    def came(self, guest: Guest) -> None:
        """Take note that a stranger was let in."""
        with self._lock:
            self._is_busy[guest] = False
            self._seats.came(guest, network_of(guest.caller.address), time.monotonic())

    def note_busy(self, guest: Guest) -> None:
        """Take note that somebody waits for something that takes long."""
        with self._lock:
            if guest in self._is_busy:
                self._is_busy[guest] = True
                self._seats.note_busy(guest)

    def note_idle(self, guest: Guest) -> None:
        """Take note that somebody waits for nothing like that: a stranger makes room, if need be, and nobody else."""
        with self._lock:
            if guest not in self._is_busy:
                return
            self._is_busy[guest] = False
            if guest.caller.sessions:
                self._seats.note_busy(guest)
            else:
                self._seats.note_idle(guest, time.monotonic())

    def went(self, guest: Guest) -> None:
        """Take note that somebody is gone. Doing so twice is harmless."""
        with self._lock:
            self._is_busy.pop(guest, None)
            self._seats.went(guest)
