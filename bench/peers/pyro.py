"""Pyro5, with its defaults: a pool of threads, serpent as the format."""

import Pyro5.api

from bench.peers.book import Book, Caller
from bench.peers.program import announce, options

_NAME = "book"


class Client(Caller):
    """One reader."""

    def __init__(self, port: int) -> None:
        super().__init__(Pyro5.api.Proxy(f"PYRO:{_NAME}@127.0.0.1:{port}"))


def main() -> None:
    chosen = options()
    daemon = Pyro5.api.Daemon(host="127.0.0.1")
    daemon.register(Pyro5.api.expose(Book)(), _NAME)
    announce(chosen.notify, int(daemon.locationStr.rpartition(":")[2]))
    daemon.requestLoop()


if __name__ == "__main__":
    main()
