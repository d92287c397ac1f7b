"""The work of a round in memory, for the peers: checked, but neither durable nor shared with other programs."""

import secrets
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from threading import Lock
from typing import Any


class Book:
    """Logins, meters that are handed out in order, and readings, behind one lock. The tallies are kept, not counted."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count(1)
        self._sessions: dict[str, str] = {}
        self._held: dict[str, str] = {}  # by session
        self._readings: dict[str, tuple[str, int, str, datetime]] = {}
        self._tallies: Counter[str] = Counter()

    def login(self, username: str, password: str) -> str:
        if password != username:
            raise ValueError("wrong name or password")
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[session] = username
        return session

    def get_job(self, session: str) -> str:
        with self._lock:
            self._user(session)
            if session not in self._held:
                self._held[session] = f"W{next(self._numbers):07}"
            return self._held[session]

    def submit_reading(self, session: str, meter: str, when: str, reading: int, reason: str = "") -> None:
        read_at = datetime.fromisoformat(when)
        if type(reading) is not int or not 0 <= reading < 10**12:
            raise ValueError("invalid reading")
        with self._lock:
            username = self._user(session)
            if self._held.get(session) != meter or meter in self._readings:
                raise ValueError("not your meter")
            del self._held[session]
            self._readings[meter] = (username, reading, reason, read_at)
            self._tallies[username] += 1

    def get_status(self, session: str) -> tuple[int, int]:
        with self._lock:
            return self._tallies[self._user(session)], len(self._readings)

    def _user(self, session: str) -> str:
        if session not in self._sessions:
            raise ValueError("log in first")
        return self._sessions[session]


class Caller:
    """One reader, who calls a book that is far away by the proxy that a library has made of it."""

    def __init__(self, book: Any) -> None:
        self._book = book

    def login(self, username: str) -> None:
        self._session = self._book.login(username, username)

    def round(self) -> None:
        meter = self._book.get_job(self._session)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._book.submit_reading(self._session, meter, when, 4711)
        self._book.get_status(self._session)
