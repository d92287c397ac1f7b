#!/usr/bin/env python3
"""Hostile peers of a meter server, of one kind: what `hostile-crowd` starts beside honest readers, as a process.

What they send is made beforehand, so that little of the processor goes into the peers. They go on until standard input
ends. Nothing is imported that takes long.
"""

import json
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from rpyc.core import brine, consts

ROOT = ("metermt.transport.service.MeterService", 1, 1)
AN_ADDRESS = 195
"""Connections that one address may have, but for a few."""
_READERS = 4  # connections of those who have logged in


def framed(content: bytes) -> bytes:
    return struct.pack("!LB", len(content), 0) + content + b"\n"


def request(handler: int, *packages: tuple[int, object]) -> bytes:
    return framed(bytes([consts.MSG_REQUEST]) + brine.dump((1, (handler, (consts.LABEL_TUPLE, packages)))))


def call(name: str, *values: object) -> bytes:
    root, told = (consts.LABEL_LOCAL_REF, ROOT), (consts.LABEL_VALUE, values)
    return request(consts.HANDLE_CALLATTR, root, (consts.LABEL_VALUE, name), told, (consts.LABEL_VALUE, ()))


PING = request(consts.HANDLE_PING, (consts.LABEL_VALUE, "x"))


def nested_tuples() -> bytes:
    """Return a ping with 9.8 kB of tuples."""
    return request(consts.HANDLE_PING, (consts.LABEL_VALUE, (((),),) * 4_900))


def bad_rows(session: str) -> bytes:
    """Return a thousand readings, none of which can be taken."""
    rows = [{"meter": f"NO{number}", "value": number, "when": "2026-11-20T09:30:00+00:00"} for number in range(1000)]
    return call("submit_readings", session, json.dumps({"answers": rows}))


def empty_lists(session: str) -> bytes:
    """Return a reading whose value is eight megabytes of empty lists."""
    lists = "[" + ",".join(["[]"] * 2_600_000) + "]"
    return call("submit_readings", session, '{"answers":[{"meter":"M00000","value":' + lists + "}]}")


class Peers:
    """Connections to a server, from several addresses of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opened = 0

    def connect(self, number: int) -> list[socket.socket]:
        """Open so many more, of which each address has `AN_ADDRESS`; fewer when the server has no room."""
        connected = []
        for _ in range(number):
            address = f"127.0.0.{2 + self._opened // AN_ADDRESS}"
            self._opened += 1
            with suppress(OSError):
                connected.append(socket.create_connection(("127.0.0.1", self._port), 20, (address, 0)))
        return connected

    def repeat(self, number: int, make: Callable[[], bytes]) -> None:
        """Have so many connections say something over and over: each as soon as it was answered.

        One that is hung up on is opened again after a while.
        """
        ready = selectors.DefaultSelector()
        lost = 0

        def begin(sock: socket.socket) -> None:
            nonlocal lost
            try:
                sock.sendall(make())
                ready.register(sock, selectors.EVENT_READ)
            except OSError:
                sock.close()
                lost += 1

        for sock in self.connect(number):
            begin(sock)
        print("ready", flush=True)
        again_at = time.monotonic() + 1
        while not ending.is_set():
            for key, _ in ready.select(0.1):
                try:
                    heard = key.fileobj.recv(65_536)
                    if heard.endswith(b"\n"):
                        key.fileobj.sendall(make())
                except OSError:
                    heard = b""
                if not heard:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
                    lost += 1
            if lost and time.monotonic() > again_at:
                again_at, missing, lost = time.monotonic() + 1, lost, 0
                self._opened -= missing
                for sock in self.connect(missing):
                    begin(sock)


def send_without_end(sock: socket.socket, message: bytes) -> None:
    """Send the same again and again, and let go what is answered."""

    def drain() -> None:
        with suppress(OSError):
            while sock.recv(1_000_000):
                pass

    threading.Thread(target=drain, daemon=True).start()
    with suppress(OSError):
        while True:
            sock.sendall(message)


def logged_in(peers: Peers, session: str) -> list[socket.socket]:
    """Open connections that have shown a session."""
    connected = peers.connect(_READERS)
    for sock in connected:
        sock.sendall(call("get_status", session))
        sock.recv(4096)
        sock.settimeout(None)
    return connected


def flood(peers: Peers, session: str, message: bytes) -> None:
    for sock in logged_in(peers, session):
        threading.Thread(target=send_without_end, args=(sock, message), daemon=True).start()
    print("ready", flush=True)
    ending.wait()


def trickle(peers: Peers) -> None:
    """Log in by made-up names, one kilobyte a second, and do not wait for answers."""
    numbers = count()
    print("ready", flush=True)
    waiting: list[socket.socket] = []
    while True:
        message = call("login", f"nobody{next(numbers)}", "nothing")
        for sock in peers.connect(1):
            sock.sendall(message)
            waiting.append(sock)
        peers._opened = 0
        while len(waiting) > 100:
            waiting.pop(0).close()
        if ending.wait(len(message) / 1000):
            return


def stay(peers: Peers, number: int) -> None:
    """Say one word, and no other."""
    connected = peers.connect(number)
    for sock in connected:
        with suppress(OSError):
            sock.sendall(PING)
    print("ready", flush=True)
    ending.wait()


ending = threading.Event()


def main() -> None:
    kind, port, session = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    peers, numbers = Peers(port), count()
    match kind:
        case "logins":
            peers.repeat(AN_ADDRESS, lambda: call("login", f"nobody{next(numbers)}", "nothing"))
        case "trickle":
            trickle(peers)
        case "tuples":
            flood(peers, session, nested_tuples())
        case "rows":
            flood(peers, session, bad_rows(session))
        case "lists":
            flood(peers, session, empty_lists(session))
        case "pings-195":
            peers.repeat(AN_ADDRESS, lambda: PING)
        case "pings-975":
            peers.repeat(5 * AN_ADDRESS, lambda: PING)
        case "idle":
            stay(peers, 1000)


if __name__ == "__main__":
    main()
