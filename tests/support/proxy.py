"""A TCP proxy between clients and a server, which loses, delays and counts what passes; and RPyC's frames."""

import socket
import struct
import time
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread

_HEADER = struct.Struct("!LB")  # length, compressed; a line feed ends the frame
_REQUEST = 1  # the first byte of a request; those of answers are others


class Proxy:
    """Listens on `port`, and passes all bytes on to the server and back until it is told otherwise.

    `delay` is how many seconds what the server sends is held back. When it `trickles`, that passes byte by byte,
    each after the delay. `lost_answers` is how many of the next answers are lost: when the server has answered, all
    connections end before the client hears of it.
    """

    def __init__(self, server_port):
        self.delay = 0.0
        self.trickles = False
        self.lost_answers = 0
        self.server_port = server_port
        self._links = []  # all there have been; used by the proxy's own thread, as are the sockets
        self._deaf = False
        self._orders = SimpleQueue()  # for the proxy's own thread
        self._bell, self._waker = socket.socketpair()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = DefaultSelector()
        self._selector.register(self._bell, EVENT_READ, self._obey)
        self._selector.register(self._listener, EVENT_READ, self._accept)
        self.port = self._listener.getsockname()[1]
        self._thread = Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    # --- what has passed

    @property
    def from_clients(self):
        """The frames that clients have sent."""
        return [frame for link in list(self._links) for frame in frames_of(link.sent)]

    @property
    def from_server(self):
        """The frames that the server has sent."""
        return [frame for link in list(self._links) for frame in frames_of(link.received)]

    @property
    def asked_of_clients(self):
        """The frames in which the server asked something of a client."""
        return [frame for frame in self.from_server if frame[0] == _REQUEST]

    @property
    def connections(self):
        """How many connections there have been."""
        return len(self._links)

    # --- faults

    def cut(self, *, hard=False):
        """End all connections: in order, or `hard`, with a reset, as from a router that has lost its memory."""
        self._tell(lambda: self._cut(hard=hard))

    @contextmanager
    def deaf(self):
        """Let nothing pass, either way, while connections stand."""
        self._tell(lambda: self._listen_to_links(False))
        try:
            yield
        finally:
            self._tell(lambda: self._listen_to_links(True))

    def close(self):
        """Stop listening and end all connections. Doing so twice is harmless."""
        if self._thread.is_alive():
            self._tell(self._end)
            self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    # --- what the proxy's own thread does

    def _run(self):
        while self._selector.get_map() is not None:
            for key, _ in self._selector.select():
                if self._listens_to(key.fileobj):  # what came before it in this round may have ended it
                    key.data()

    def _listens_to(self, sock):
        return sock.fileno() >= 0 and sock in (self._selector.get_map() or ())

    def _tell(self, order):
        done = Event()
        self._orders.put((order, done))
        self._waker.send(b"!")
        assert done.wait(20), "the proxy does not obey"

    def _obey(self):
        self._bell.recv(1)
        order, done = self._orders.get()
        order()
        done.set()

    def _accept(self):
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port))
        except ConnectionRefusedError:
            _hang_up(client, hard=True)
            return
        link = _Link(client, server)
        self._links.append(link)
        self._listen_to(link)

    def _listen_to(self, link):
        if not self._deaf and link.stands:
            self._selector.register(link.client, EVENT_READ, lambda: self._pass_on(link))
            self._selector.register(link.server, EVENT_READ, lambda: self._pass_back(link))

    def _ignore(self, link):
        if not self._deaf and link.stands:
            self._selector.unregister(link.client)
            self._selector.unregister(link.server)

    def _listen_to_links(self, listens):
        for link in self._links:
            if listens:
                self._deaf = False
                self._listen_to(link)
            else:
                self._ignore(link)
        self._deaf = not listens

    def _pass_on(self, link):
        try:
            chunk = link.client.recv(65536)
            link.sent += chunk
            link.server.sendall(chunk)
        except OSError:
            chunk = b""
        if not chunk:
            self._end_link(link)

    def _pass_back(self, link):
        try:
            chunk = link.server.recv(65536)
            if chunk and self.lost_answers:
                self.lost_answers -= 1
                self._cut()
                return
            link.received += chunk
            for part in _bytes_of(chunk) if self.trickles else [chunk]:
                time.sleep(self.delay)
                link.client.sendall(part)
        except OSError:
            chunk = b""
        if not chunk:
            self._end_link(link)

    def _cut(self, *, hard=False):
        for link in self._links:
            if link.stands:
                self._end_link(link, hard=hard)

    def _end_link(self, link, *, hard=False):
        self._ignore(link)
        _hang_up(link.client, hard=hard)
        _hang_up(link.server, hard=hard)

    def _end(self):
        self._cut()
        self._selector.close()
        for sock in (self._listener, self._bell, self._waker):
            sock.close()


class _Link:
    """One connection, its two sockets, and the bytes that have passed."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.sent, self.received = bytearray(), bytearray()
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def stands(self):
        return self.client.fileno() >= 0


def _hang_up(sock, *, hard):
    with suppress(OSError):
        if hard:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def _bytes_of(chunk):
    return (chunk[i : i + 1] for i in range(len(chunk)))


def frame(content, *, compressed=0, length=None):
    """Make a frame; it may lie about its length."""
    return _HEADER.pack(len(content) if length is None else length, compressed) + content + b"\n"


def frames_of(stream):
    """Return the content of each whole frame in the stream."""
    frames, start = [], 0
    stream = bytes(stream)
    while len(stream) >= (begin := start + _HEADER.size):
        length, _ = _HEADER.unpack_from(stream, start)
        if len(stream) <= begin + length:
            break
        frames.append(stream[begin : begin + length])
        start = begin + length + 1
    return frames
