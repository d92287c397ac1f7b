"""Hostile peers at a server's door for HTTP: what `hostile.py` starts for kinds whose name begins with `http-`."""

import json
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Protocol

BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<methodCall><methodName>get_job</methodName><params><param><value>&d;</value></param></params></methodCall>"""
_PIPELINED = 200  # requests in a row that nobody waits for
_CUT = 60_000  # bytes that are announced, of which half comes


class Peers(Protocol):
    """Connections to a server, from several addresses of this machine."""

    def connect(self, number: int) -> list[socket.socket]:
        """Open so many more."""

    def repeat(self, number: int, say: Callable[[bytes], bytes], ends: bytes = b"\n") -> None:
        """Have so many connections say something, and something again as soon as they hear something with this end."""


def post(path: str, body: bytes, *headers: str, kind: str = "application/json", size: int | None = None) -> bytes:
    """Return a request; `size` is what it announces, if that is not the truth."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *headers]
    lines.append(f"Content-Length: {len(body) if size is None else size}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def call(name: str, session: str = "", **values: object) -> bytes:
    """Return a call by JSON."""
    shown = (f"Authorization: Bearer {session}",) if session else ()
    return post(f"/api/{name}", json.dumps(values).encode(), *shown)


def bad_rows(session: str) -> bytes:
    """Return a thousand readings, none of which can be taken."""
    rows = [{"meter": f"NO{number}", "value": number, "when": "2026-11-20T09:30:00+00:00"} for number in range(1000)]
    return call("submit_readings", session, answers=rows)


def drip(peers: Peers, number: int, begin: bytes, drops: bytes, ending: threading.Event) -> None:
    """Begin so many requests, go on with some bytes each second, and come back when hung up on."""
    dripping = selectors.DefaultSelector()
    missing = number
    ready = False
    while not ending.is_set():
        for sock in peers.connect(missing):
            missing -= 1
            with suppress(OSError):
                sock.sendall(begin)
                dripping.register(sock, selectors.EVENT_READ)
        if not ready:
            print("ready", flush=True)
            ready = True
        ending.wait(1)
        gone = {key.fileobj for key, _ in dripping.select(0)}  # whatever they are told is that it is over
        for key in list(dripping.get_map().values()):
            try:
                if key.fileobj not in gone:
                    key.fileobj.sendall(drops)
            except OSError:
                gone.add(key.fileobj)
        for sock in gone:
            dripping.unregister(sock)
            sock.close()
            missing += 1


def small_chunks(session: str = "") -> bytes:
    """Return a call whose body of sixty thousand bytes comes in chunks of a byte."""
    shown = f"Authorization: Bearer {session}\r\n" if session else ""
    head = f"POST /api/{'list_reasons' if session else 'login'} HTTP/1.1\r\nHost: localhost\r\n{shown}"
    chunked = f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return chunked.encode() + b"1\r\n \r\n" * 60_000 + b"0\r\n\r\n"


def hang_up_half_way(peers: Peers, number: int, ending: threading.Event) -> None:
    """Send half of a body on so many connections, hang up on all, and again."""
    half = post("/api/login", b" " * (_CUT // 2), size=_CUT)
    print("ready", flush=True)
    while not ending.is_set():
        sent = peers.connect(number)
        peers._opened = 0
        for sock in sent:
            with suppress(OSError):
                sock.sendall(half)
        ending.wait(0.2)
        for sock in sent:
            sock.close()


def read_nothing(peers: Peers, number: int, message: bytes, ending: threading.Event) -> None:
    """Ask so many times without end, and never read an answer; come back when hung up on."""

    def ask() -> None:
        while not ending.wait(1):
            for sock in peers.connect(1):
                with sock, suppress(OSError):
                    while True:
                        sock.sendall(message)

    for _ in range(number):
        threading.Thread(target=ask, daemon=True).start()
    print("ready", flush=True)
    ending.wait()


def ways(peers: Peers, session: str, ending: threading.Event, an_address: int) -> dict[str, Callable[[], None]]:
    """Return what each kind does; `an_address` is how many connections one address may have."""
    numbers: Iterator[int] = count()
    everybody = 5 * an_address
    head = b"POST /api/login HTTP/1.1\r\nHost: localhost\r\n"
    look = lambda _heard: call("get_status", f"made up {next(numbers)}")  # noqa: E731
    login = lambda _heard: call("login", username=f"nobody{next(numbers)}", password="nothing")  # noqa: E731
    bomb = post("/meter", BOMB, kind="text/xml")
    bulk = bad_rows(session)
    chunks, known_chunks = small_chunks(), small_chunks(session)
    lists = post("/api/why_no_job", b'{"a": [' + b"[]," * 600_000 + b"[]]}", f"Authorization: Bearer {session}")
    return {
        "http-headers": lambda: drip(peers, everybody, head, b"X-Slow: 1\r\n", ending),
        "http-bodies": lambda: drip(peers, everybody, post("/api/login", b"{", size=_CUT), b" ", ending),
        "http-chunks": lambda: peers.repeat(an_address, lambda _heard: chunks, b""),
        "http-known-chunks": lambda: peers.repeat(4, lambda _heard: known_chunks, b""),
        "http-looks": lambda: peers.repeat(everybody, look, b""),
        "http-logins": lambda: peers.repeat(an_address, login, b""),
        "http-cut": lambda: hang_up_half_way(peers, an_address, ending),
        "http-pipelined": lambda: peers.repeat(
            an_address, lambda heard: b"" if heard and next(numbers) % _PIPELINED else look(b"") * _PIPELINED, b""
        ),
        "http-bombs": lambda: peers.repeat(an_address, lambda _heard: bomb, b""),
        "http-calls": lambda: peers.repeat(4, lambda _heard: call("get_status", session), b""),
        "http-rows": lambda: peers.repeat(4, lambda _heard: bulk, b""),
        "http-lists": lambda: peers.repeat(4, lambda _heard: lists, b""),
        "http-deaf": lambda: read_nothing(peers, 4, call("list_reasons", session) * 100, ending),
    }
