"""The floor: as many bytes as a round of MeterMT over a bare socket; with `--sync 1` also one fdatasync for each.

No server that does a round in one request can be faster, and no durable one that does not share its flushes.
"""

import os
import socket
import tempfile
from itertools import count
from pathlib import Path
from threading import Lock, Thread

from bench.peers.program import announce, options

REQUEST, ANSWER = 204, 123  # bytes of a round of MeterMT, seen with strace
_PAGE = b"\0" * 4096
_PAGES = 1000  # then from the start, as SQLite's log does


class _File:
    """A file that has its full size already, so that a flush writes the page and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._lock = Lock()  # makes a page and its flush one step, as a log without groups has it
        self._places = count()
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(_PAGE * _PAGES)
        self._descriptor = os.open(file.name, os.O_RDWR)
        os.fsync(self._descriptor)

    def write_page(self) -> None:
        with self._lock:
            os.pwrite(self._descriptor, _PAGE, next(self._places) % _PAGES * len(_PAGE))
            os.fdatasync(self._descriptor)


class Client:
    """One reader."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = b"r" * REQUEST

    def login(self, username: str) -> None:
        """There is none."""

    def round(self) -> None:
        self._sock.sendall(self._request)
        _receive(self._sock, ANSWER)


def _receive(sock: socket.socket, size: int) -> bool:
    while size:
        chunk = sock.recv(size)
        if not chunk:
            return False
        size -= len(chunk)
    return True


def _serve(sock: socket.socket, file: _File | None) -> None:
    answer = b"a" * ANSWER
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        try:
            while _receive(sock, REQUEST):
                if file:
                    file.write_page()
                sock.sendall(answer)
        except ConnectionError:
            pass


def main() -> None:
    chosen = options("--sync")
    file = _File(chosen.notify.parent) if chosen.sync else None
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    announce(chosen.notify, listener.getsockname()[1])
    while True:
        sock, _ = listener.accept()
        Thread(target=_serve, args=(sock, file), daemon=True).start()


if __name__ == "__main__":
    main()
