"""How a registry is asked: over UDP, or over TCP by any number of strangers who may say nothing. One thread each."""

import selectors
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from time import monotonic

from metermt.listening import cannot_listen

MAX_MESSAGE = 1500
"""Bytes; RPyC's clients read no more."""
AMPLIFIED = 3
"""Times that an answer over UDP may be as long as its question: whose address stands on the question is not known."""

Answer = Callable[[bytes, str, int], bytes | None]
"""Is told a message, the host that it comes from and how many bytes the answer may have; None answers nothing."""

_PATIENCE = 0.5  # seconds until it is looked whether to stop, should nothing come
_TCP_SECONDS = 2.0  # how long a TCP client may take to ask
_TCP_CLIENTS = 50  # at once; one more, and the one that has been silent for longest has to go


def listen(host: str, port: int, *, tcp: bool) -> socket.socket:
    """Return a socket that listens. Raises `ListenError`."""
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind)
        try:
            if tcp:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            if tcp:
                sock.listen()
        except BaseException:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:
        raise cannot_listen(host, port, error) from error
    return sock


def answer_datagrams(sock: socket.socket, answer: Answer, meanwhile: Callable[[], None], stopping: Event) -> None:
    """Answer over UDP until it is to stop, and do something meanwhile, twice a second or more often."""
    sock.settimeout(_PATIENCE)
    while not stopping.is_set():
        meanwhile()
        with suppress(OSError):  # a time-out, or the asker is gone
            message, address = sock.recvfrom(MAX_MESSAGE)
            most = min(MAX_MESSAGE, AMPLIFIED * len(message))
            answered = answer(message, address[0], most)
            if answered and len(answered) <= most:
                sock.sendto(answered, address)


def answer_connections(listener: socket.socket, answer: Answer, meanwhile: Callable[[], None], stopping: Event) -> None:
    """Answer over TCP until it is to stop: one message of each client, which has two seconds to send it.

    Do something meanwhile, twice a second or more often.

    When there is no room for one more, the oldest of the host that has most of them has to go: who asks at once is
    answered whatever others do.
    """
    listener.setblocking(False)
    asking: dict[socket.socket, tuple[str, float]] = {}  # in the order in which they came: host, and until when
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)

        def let_go(sock: socket.socket) -> None:
            del asking[sock]
            selector.unregister(sock)
            sock.close()

        def let_in() -> None:
            try:
                sock, address = listener.accept()
            except OSError:
                stopping.wait(0.01)  # out of descriptors: one may be free by then; or the client has gone again
                return
            if len(asking) >= _TCP_CLIENTS:
                ((host, _),) = Counter(host for host, _ in asking.values()).most_common(1)
                let_go(next(one for one, (its_host, _) in asking.items() if its_host == host))
            sock.setblocking(False)
            asking[sock] = address[0], monotonic() + _TCP_SECONDS
            selector.register(sock, selectors.EVENT_READ)

        try:
            while not stopping.is_set():
                meanwhile()
                ready = [key.fileobj for key, _ in selector.select(_PATIENCE)]
                for sock in ready:
                    if isinstance(sock, socket.socket) and sock in asking:
                        with suppress(OSError):  # it is gone
                            if answered := answer(sock.recv(MAX_MESSAGE), asking[sock][0], MAX_MESSAGE):
                                sock.send(answered)  # which fits into its buffer, as nothing is in there
                        let_go(sock)
                if listener in ready:
                    let_in()
                for sock in [sock for sock, (_, until) in asking.items() if until < monotonic()]:
                    let_go(sock)
        finally:
            for sock in list(asking):
                let_go(sock)
