"""Who is connected to a server, by whichever door, and who is let in beside them."""

import time
from collections import Counter
from threading import Lock
from typing import Protocol

from metermt.calls.desk import Desk
from metermt.calls.table import Caller
from metermt.config import Limits
from metermt.rules import places
from metermt.rules.places import Place, Verdict

_FULL_SECONDS = 0.1  # that whoever was refused a place may go on trying before it is looked at all places again


class Guest(Protocol):
    """One who is connected."""

    @property
    def caller(self) -> Caller:
        """Who it is."""

    @property
    def is_trusted(self) -> bool:
        """Whether a valid session was shown."""

    @property
    def is_busy(self) -> bool:
        """Whether the guest waits for something that takes long."""

    @property
    def is_leaving(self) -> bool:
        """Whether the guest is hung up on, to make room for another."""

    @property
    def stranger_since(self) -> float:
        """When the guest came, or last tried to log in, by `time.monotonic`."""

    def leave(self) -> None:
        """Hang up on the guest, from any thread."""

    def __hash__(self) -> int: ...


class Guests:
    """All who are connected: one bound for all doors. All methods may be called from any thread."""

    def __init__(self, desk: Desk, limits: Limits) -> None:
        self._desk = desk
        self._limits = limits
        self._lock = Lock()  # guards the two below
        self._guests: set[Guest] = set()
        self._addresses: Counter[str] = Counter()  # how many of these are there
        desk.counting.connections = self.by_state
        self._full: dict[str, tuple[str, float]] = {}  # why nobody from an address is let in, and until when

    def __len__(self) -> int:
        return len(self._guests)

    def by_state(self) -> dict[str, int]:
        """Return how many are strangers, have logged in, or have and wait for something that takes long."""
        with self._lock:
            guests = list(self._guests)
        states = ["stranger" if not one.is_trusted else "busy" if one.is_busy else "logged-in" for one in guests]
        return {state: states.count(state) for state in ("stranger", "logged-in", "busy")}

    def room_for(self, address: str) -> str:
        """Say why nobody from an address is let in now; empty if there is room, which was made if need be."""
        verdict = self._verdict(address)
        if why := verdict.refusal:
            words = "refused a connection from %s: %s"
            self._desk.journal.warning("refused connections", address, words, address, why)
        elif verdict.leaving:
            left = verdict.leaving.caller.address
            words = "hung up on %s, who had not logged in: others need the place"
            self._desk.journal.info("strangers who made room", left, words, left)
            verdict.leaving.leave()
        return why

    def came(self, guest: Guest) -> None:
        """Take note that somebody was let in."""
        with self._lock:
            self._guests.add(guest)
            self._addresses[guest.caller.address] += 1

    def went(self, guest: Guest) -> None:
        """Take note that somebody is gone. Doing so twice is harmless."""
        with self._lock:
            if guest not in self._guests:
                return
            self._guests.discard(guest)
            address = guest.caller.address
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _verdict(self, address: str) -> Verdict[Guest]:
        refusal, until = self._full.get(address, ("", 0.0))
        if time.monotonic() < until:
            return Verdict(refusal=refusal)
        with self._lock:
            kept = places.kept_of(self._limits.connections)
            if (
                len(self._guests) < self._limits.connections - kept
                and self._addresses[address] < self._limits.connections_an_address
            ):
                return Verdict()  # nearly always
            taken = [
                Place(one, one.caller.address, None if one.is_busy or one.is_trusted else one.stranger_since)
                for one in self._guests
                if not one.is_leaving
            ]
        verdict = places.judged(
            taken,
            address,
            time.monotonic(),
            is_regular=self._desk.regulars.knows_address(address),
            most=self._limits.connections,
            most_an_address=self._limits.connections_an_address,
        )
        if verdict.refusal:
            if len(self._full) >= self._limits.connections:
                self._full.clear()
            self._full[address] = verdict.refusal, time.monotonic() + _FULL_SECONDS
        return verdict
