"""Pyro5, with its defaults: a pool of threads, serpent as the format."""

from datetime import UTC, datetime

import Pyro5.api

from bench.peers.book import Book
from bench.peers.program import announce, options

_NAME = "book"


class Client:
    """One reader."""

    def __init__(self, port: int) -> None:
        self._server = Pyro5.api.Proxy(f"PYRO:{_NAME}@127.0.0.1:{port}")

    def login(self, username: str) -> None:
        self._session = self._server.login(username, username)

    def round(self) -> None:
        meter = self._server.get_job(self._session)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._server.submit_reading(self._session, meter, when, 4711)
        self._server.get_status(self._session)


def main() -> None:
    chosen = options()
    daemon = Pyro5.api.Daemon(host="127.0.0.1")
    daemon.register(Pyro5.api.expose(Book)(), _NAME)
    announce(chosen.notify, int(daemon.locationStr.rpartition(":")[2]))
    daemon.requestLoop()


if __name__ == "__main__":
    main()
