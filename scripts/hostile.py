#!/usr/bin/env python3
"""Hostile peers of a meter server, of one kind: what `hostile-crowd` starts beside honest readers, as a process.

What they send is made beforehand as far as it can be, so that little of the processor goes into the peers. They go on
until standard input ends. Nothing is imported that takes long, but for those who write TLS by hand.
"""

import json
import selectors
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path

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


def bulk_behind_refused(session: str) -> bytes:
    """Return a call with too many arguments, and a dozen compressed ones behind it: two megabytes of half a text."""
    text = '{"answers":[{"meter":"M00000","reason":"' + r"\u00e9" * 330_000
    content = call("submit_readings", session, text)[5:-1]
    packed = zlib.compress(content)
    return call("get_status", *[session] * 9) + (struct.pack("!LB", len(packed), 1) + packed + b"\n") * 12


def call_with_time(session: str) -> bytes:
    """Return a reading whose time is an object of the client's own."""
    time_of_ours = (consts.LABEL_REMOTE_REF, ("datetime.datetime", 1, 2))
    meter, reading = (consts.LABEL_VALUE, "M00000"), (consts.LABEL_VALUE, 1)
    told = (consts.LABEL_TUPLE, ((consts.LABEL_VALUE, session), meter, time_of_ours, reading))
    root, name = (consts.LABEL_LOCAL_REF, ROOT), (consts.LABEL_VALUE, "submit_reading")
    return request(consts.HANDLE_CALLATTR, root, name, told, (consts.LABEL_VALUE, ()))


class BadTimes:
    """What somebody says whose time stalls, raises, or is yet another object when the server asks for its text."""

    def __init__(self, session: str) -> None:
        self._call = call_with_time(session)
        self._questions = count()

    def __call__(self, heard: bytes) -> bytes:
        """Call, when nothing or an answer was heard; else say nothing, or something of no use to a question."""
        said = [] if heard else [self._call]
        while heard:
            (length,) = struct.unpack("!L", heard[:4])
            content, heard = heard[5 : 5 + length], heard[6 + length :]
            if content[0] != consts.MSG_REQUEST:
                said.append(self._call)
                continue
            number, (handler, _) = brine.load(content[1:])
            if handler == consts.HANDLE_STR:
                said.append(self._answer(number))
        return b"".join(said)

    def _answer(self, number: int) -> bytes:
        another = (consts.LABEL_REMOTE_REF, ("datetime.datetime", 1, 3))
        raised = (("builtins", "ValueError"), ("words",), (), "")
        match next(self._questions) % 4:
            case 0:
                return framed(bytes([consts.MSG_EXCEPTION]) + brine.dump((number, raised)))
            case 1:
                return framed(bytes([consts.MSG_REPLY]) + brine.dump((number, another)))
        return b""


def _hello(context: ssl.SSLContext) -> tuple[ssl.SSLObject, bytes, ssl.MemoryBIO, ssl.MemoryBIO]:
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(heard, said, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return tls, said.read(), heard, said


def send_half_a_record(sock: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands, send half of a record, and wait until the server has had enough."""
    tls, hello, heard, said = _hello(context)
    sock.sendall(hello)
    while True:
        received = sock.recv(65_536)
        if not received:
            return
        heard.write(received)
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            break
    tls.write(PING * 4)
    written = said.read()
    sock.sendall(written[: len(written) - len(PING)])
    while sock.recv(65_536):
        pass


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

    def repeat(self, number: int, say: Callable[[bytes], bytes], ends: bytes = b"\n") -> None:
        """Have so many connections say something, and something again as soon as they hear something with this end.

        `say` is told what was heard, nothing at first, and returns what to say, which may be nothing. A connection that
        is hung up on is opened again after a while.
        """
        ready = selectors.DefaultSelector()
        lost = 0

        def begin(sock: socket.socket) -> None:
            nonlocal lost
            try:
                sock.sendall(say(b""))
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
                    if heard.endswith(ends):
                        key.fileobj.sendall(say(heard))
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


def come_back(number: int, visit: Callable[[int], None]) -> None:
    """Have so many peers, each in a thread, visit the server over and over, with pauses of a second."""

    def keep_coming(place: int) -> None:
        while not ending.wait(1):
            with suppress(OSError):
                visit(place)

    for place in range(number):
        threading.Thread(target=keep_coming, args=(place,), daemon=True).start()
    print("ready", flush=True)
    ending.wait()


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


def say_half_of_hello(peers: Peers) -> None:
    """Send the first half of a TLS handshake, and wait."""
    hello = _hello(ssl.create_default_context())[1]
    peers.repeat(5 * AN_ADDRESS, lambda _heard: hello[: len(hello) // 2])


def leave_records_open(port: int, authority: Path) -> None:
    """Send half of a TLS record, and wait."""
    context = ssl.create_default_context(cafile=authority)

    def visit(_place: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 20, ("127.0.0.2", 0)) as sock:
            send_half_a_record(sock, context)

    come_back(AN_ADDRESS, visit)


def change_keys_without_end(port: int, session: str, authority: Path) -> None:
    """Change the keys of TLS over and over and read nothing, every other one after a session was shown."""
    sys.path.extend(str(Path(__file__).parents[1] / "tests" / part) for part in ("", "support"))
    from tlspeers import TlsStranger  # noqa: PLC0415 - it takes a second, and this kind only needs it

    def visit(place: int) -> None:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            peer = stack.enter_context(closing(TlsStranger(port, authority, folder, "127.0.0.2")))
            if place % 2:
                peer.sendall(call("get_status", session))
                peer.recv(4096)
            peer.change_keys(times=200)  # of which 32 are too many

    come_back(20, visit)


ending = threading.Event()


def main() -> None:
    kind, port, session, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    peers, numbers = Peers(port), count()
    ways: dict[str, Callable[[], None]] = {
        "logins": lambda: peers.repeat(AN_ADDRESS, lambda _heard: call("login", f"nobody{next(numbers)}", "nothing")),
        "trickle": lambda: trickle(peers),
        "tuples": lambda: flood(peers, session, nested_tuples()),
        "rows": lambda: flood(peers, session, bad_rows(session)),
        "lists": lambda: flood(peers, session, empty_lists(session)),
        "refused": lambda: flood(peers, session, bulk_behind_refused(session)),
        "pings-195": lambda: peers.repeat(AN_ADDRESS, lambda _heard: PING),
        "pings-975": lambda: peers.repeat(5 * AN_ADDRESS, lambda _heard: PING),
        "idle": lambda: stay(peers, 1000),
        "looks": lambda: peers.repeat(5 * AN_ADDRESS, lambda _heard: call("get_status", f"made up {next(numbers)}")),
        "times": lambda: peers.repeat(AN_ADDRESS, BadTimes(session)),
        "tls-hellos": lambda: say_half_of_hello(peers),
        "tls-records": lambda: leave_records_open(port, authority),
        "tls-keys": lambda: change_keys_without_end(port, session, authority),
    }
    if kind.startswith("http-"):
        import hostileweb  # noqa: PLC0415 - only here

        ways = hostileweb.ways(peers, session, ending, AN_ADDRESS)
    ways[kind]()


if __name__ == "__main__":
    main()
