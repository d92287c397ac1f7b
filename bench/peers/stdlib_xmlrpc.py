"""XML-RPC of the standard library, a thread a connection, connections kept open."""

from socketserver import ThreadingMixIn
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from bench.peers.book import Book, Caller
from bench.peers.program import announce, options


class _Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"  # the default, 1.0, makes a connection for each call


class _Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True
    request_queue_size = 128  # the default, 5, makes some of 64 clients wait a second to connect


class Client(Caller):
    """One reader."""

    def __init__(self, port: int) -> None:
        super().__init__(ServerProxy(f"http://127.0.0.1:{port}/", allow_none=True))


def main() -> None:
    chosen = options()
    server = _Server(("127.0.0.1", 0), _Handler, logRequests=False, allow_none=True)
    server.register_instance(Book())
    announce(chosen.notify, server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
