"""The sessions that a server has seen of late, and which of them somebody is connected with."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from threading import Lock
from typing import Any, NamedTuple

from metermt.calls.asking import Ask, Caller
from metermt.calls.turn import Turn
from metermt.model import Role, Session
from metermt.rules.clocks import can_have_been

_TRUSTED_SECONDS = 1.0  # a session ended by another process is found out after this long
_NOTED_SHARE = 100  # a session's last use is written down when it is older than this part of the idle time
_KEPT_SECONDS = 60.0  # what was not asked for during this time is forgotten here: the store has it
_MAX_OF_A_CALLER = 100  # a program that goes through more sessions on one connection is odd


class _Known(NamedTuple):
    """A session as last read from the store."""

    session: Session
    read_at: float


def key_of(session_id: object) -> str:
    """Return what the store knows a session by: whoever reads the store cannot use the sessions in it."""
    text = session_id if isinstance(session_id, str) else ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class KnownSessions:
    """Finds whose session it is that a request is made with, and remembers that for a second."""

    def __init__(self) -> None:
        # Guards those below while they change or are gone through, and the sets of sessions of all callers. A look at
        # one key needs no lock. A list of a dictionary does: the collector may run within, and let other threads in.
        self._lock = Lock()
        self._known: dict[str, _Known] = {}  # by key; what it lacks is in the store
        self._swept_at = 0.0
        self._connected: Counter[str] = Counter()  # by key: how many connections use it
        self._left: dict[str, int] = {}  # by key: the number of its end, until the store knows of that
        self._ends = count(1)

    def __len__(self) -> int:
        return len(self._known)

    def identify(self, turn: Turn, asks: Sequence[Ask[Any]]) -> tuple[Collection[Session], dict[str, float]]:
        """Fill in the session of each request that wants one, None where it is no good.

        Returns the sessions that were read from the store, and those of which it is worth noting that they were used
        now, on this server.
        """
        asks_of: dict[str, list[Ask[Any]]] = {}
        for ask in asks:
            ask.session, ask.is_disabled = None, False
            if ask.call.least is not None and not ask.caller.role:
                asks_of.setdefault(key_of(ask.session_id), []).append(ask)
        known = self._read_within(asks_of, turn.now, _TRUSTED_SECONDS)
        read: Mapping[str, Session] = {}
        if len(known) < len(asks_of):  # then those along with them that would be looked up soon
            known = self._read_within(asks_of, turn.now, _TRUSTED_SECONDS / 2)
            read = turn.tx.sessions.find(asks_of.keys() - known.keys())
        idle = turn.policy.session_idle.total_seconds()
        due: dict[str, float] = {}
        for key, session in {**known, **read}.items():
            if session.used_at < turn.idle_since:
                continue
            if session.user.disabled:
                for ask in asks_of[key]:
                    ask.is_disabled = True
                continue
            for ask in asks_of[key]:
                ask.session = session
            is_recent = session.used_at >= turn.now - idle / _NOTED_SHARE and can_have_been(session.used_at, turn.now)
            if not is_recent or session.server != turn.server:
                due[session.key] = turn.now
        return read.values(), due

    def _read_within(self, keys: Iterable[str], now: float, seconds: float) -> dict[str, Session]:
        """Return those of these sessions that were read from the store so many seconds ago, or later."""
        known = {key: self._known.get(key) for key in keys}
        return {key: one.session for key, one in known.items() if one and now - seconds < one.read_at <= now}

    def learn(self, read: Iterable[Session], now: float) -> None:
        """Remember sessions that were read from the store, or written to it."""
        with self._lock:
            for session in read:
                self._known[session.key] = _Known(session, now)
            if not 0 <= now - self._swept_at < _KEPT_SECONDS:
                self._swept_at = now
                for key, known in list(self._known.items()):
                    if not 0 <= now - known.read_at < _KEPT_SECONDS:
                        del self._known[key]

    def role_of(self, session_id: object) -> Role | None:
        """Return the role of whoever has used this session of late, None if nobody has. It may have ended since."""
        known = self._known.get(key_of(session_id))
        return known.session.user.role if known else None

    def forget(self, keys: Iterable[str]) -> None:
        """Look these up in the store when they are used again."""
        with self._lock:
            for key in keys:
                self._known.pop(key, None)

    # --- connections

    def shown(self, caller: Caller, session: Session) -> bool:
        """Note that a session was used on this connection; return whether that is new."""
        key = session.key
        if key in caller.sessions or len(caller.sessions) >= _MAX_OF_A_CALLER:
            return False
        with self._lock:
            caller.shown_role = session.user.role
            if caller.has_left:
                return False
            caller.sessions.add(key)
            self._connected[key] += 1
        return True

    def hung_up(self, callers: Iterable[Caller]) -> dict[str, int]:
        """Note that connections have ended; return the sessions that nobody is connected with any more.

        Each has the number of its end. They are to be `noted`.
        """
        gone: dict[str, int] = {}
        with self._lock:
            for caller in callers:
                for key in caller.sessions:
                    self._connected[key] -= 1
                    if not self._connected[key]:
                        del self._connected[key]
                        gone[key] = next(self._ends)
                caller.sessions, caller.has_left = set(), True
            self._left |= gone
        return gone

    def answered(self, asks: Iterable[Ask[Any]]) -> None:
        """Note whom the store has as connected though nobody is: they had hung up before they were answered."""
        late = [ask.session.key for ask in asks if ask.session and ask.caller.has_left]
        with self._lock:
            self._left |= {key: next(self._ends) for key in late if key not in self._connected}

    def not_noted(self) -> dict[str, int]:
        """Return those of whom that is not known to be in the store, as `hung_up` does."""
        with self._lock:
            return dict(self._left)

    def noted(self, gone: Mapping[str, int]) -> None:
        """Take note that the store knows of these ends."""
        with self._lock:
            for key, end in gone.items():
                if self._left.get(key) == end:
                    del self._left[key]

    @property
    def connected(self) -> int:
        """How many sessions somebody is connected with."""
        return len(self._connected)

    def still_gone(self, keys: Iterable[str]) -> list[str]:
        """Return those that nobody has come back with meanwhile."""
        with self._lock:
            return [key for key in keys if key not in self._connected]
