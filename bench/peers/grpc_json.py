"""gRPC: its C core, with JSON as the format, so that nothing is to be generated."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import grpc

from bench.peers.book import Book
from bench.peers.program import announce, options

_SERVICE = "Book"
_METHODS = ("login", "get_job", "submit_reading", "get_status")


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


class Client:
    """One reader."""

    def __init__(self, port: int) -> None:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._call = {
            name: channel.unary_unary(f"/{_SERVICE}/{name}", request_serializer=_dump, response_deserializer=json.loads)
            for name in _METHODS
        }

    def login(self, username: str) -> None:
        (self._session,) = self._call["login"]((username, username))

    def round(self) -> None:
        (meter,) = self._call["get_job"]((self._session,))
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._call["submit_reading"]((self._session, meter, when, 4711))
        self._call["get_status"]((self._session,))


def _handler(method: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        lambda arguments, _context: (method(*arguments),),  # in a tuple, because to gRPC a bare None is a failure
        request_deserializer=json.loads,
        response_serializer=_dump,
    )


def main() -> None:
    chosen = options()
    book = Book()
    server = grpc.server(ThreadPoolExecutor(max_workers=64))
    handlers = {name: _handler(getattr(book, name)) for name in _METHODS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce(chosen.notify, port)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
