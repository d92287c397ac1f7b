"""The client's end of a connection by HTTP: the same calls as JSON, within a deadline, in errors of ours."""

import io
from http.client import HTTPConnection, HTTPException, HTTPResponse, NotConnected
from typing import Any
from urllib.parse import SplitResult

from metermt.calls.table import CALLS
from metermt.errors import CallError, NotAMeterServer, ServerLost
from metermt.transport.connection import connect_socket
from metermt.transport.deadline import Deadline
from metermt.transport.frames import MAX_BULK_FRAME
from metermt.transport.stream import Stream
from metermt.transport.tls import ClientTls
from metermt.wire import error_of, from_text, to_text

_OK, _NO_SUCH_PAGE = 200, 404


class HttpConnection:
    """A connection to a meter server, which is kept for many calls. One thread at a time may use it."""

    def __init__(self, url: SplitResult, port: int, deadline: Deadline, tls: ClientTls | None = None) -> None:
        """Connect. Raises `ServerUnreachable`, `ServerLost`, `TlsError` or `DeadlineExceeded`."""
        host = url.hostname or ""
        sock = connect_socket(host, port, deadline)
        try:
            self._stream = Stream(tls.wrap(sock, host, deadline) if tls else sock)
        except BaseException:
            sock.close()
            raise
        self._bytes = _Bytes(self._stream)
        self._knows_the_server = False  # as one that speaks HTTP
        self._folder = url.path.rstrip("/")
        self._http = HTTPConnection(url.netloc)
        self._http.auto_open = 0
        self._http.sock = self._bytes

    def call(self, name: str, args: tuple[Any, ...], deadline: Deadline) -> Any:
        """Make a call, which is told as `Call.told` has it; return what `Call.result_of` takes.

        Raises what the server raised, and `ServerLost`, `NotAMeterServer`, `TlsError` or `DeadlineExceeded`. After any
        of these the connection is of no more use.
        """
        self._bytes.deadline = deadline
        call, headers = CALLS[name], {"Content-Type": "application/json"}
        if call.least:
            session_id, *args_left = args
            headers["Authorization"] = f"Bearer {session_id}"
        else:
            args_left = list(args)
        if call.parameters is None:
            text = args_left[0] if args_left else "{}"
        else:
            text = to_text(dict(zip(call.parameters, args_left, strict=False)))
        status, answer = self._asked("POST", f"{self._folder}/api/{name}", text.encode(), headers)
        if status == _OK:
            return answer if call.parameters is None else _read(Any, answer)
        match _read(dict[str, Any], answer):
            case {"code": CallError.code} if status == _NO_SUCH_PAGE:
                raise CallError("There is no such call at that URL: check it, or is the server older than this client?")
            case {"code": str(code), "text": str(words), "details": dict(details)}:
                raise error_of(code, words, details)
        raise NotAMeterServer(f"What answers at that address is no meter server: it says {status}")

    def get(self, path: str, headers: dict[str, str], deadline: Deadline) -> tuple[int, str]:
        """Return the status of a page, and what stands on it. Raises likewise."""
        self._bytes.deadline = deadline
        return self._asked("GET", f"{self._folder}{path}", None, headers)

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        self._http.close()
        self._stream.close()

    def _asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        """Send a request; return the status and the text of the answer."""
        try:
            try:
                self._http.request(method, path, body, headers)
            except EOFError:
                pass  # it may have said why it does not listen any more
            except ValueError as error:  # a session id that is none
                self.close()  # half of a request stands there
                raise CallError("This cannot be sent to a server") from error
            return self._answer(self._http.getresponse())
        except (EOFError, NotConnected) as error:
            if not self._knows_the_server:
                words = "The server hung up before it said a word: does it want https, or a certificate (--tls-cert)?"
                raise ServerLost(words) from error
            raise ServerLost("The connection to the server was lost") from error
        except HTTPException as error:
            raise NotAMeterServer("What answers at that address does not speak HTTP: check the URL") from error

    def _answer(self, response: HTTPResponse) -> tuple[int, str]:
        self._knows_the_server = True
        self._bytes.may_end = response.length is None and not response.chunked
        content = response.read(MAX_BULK_FRAME + 1)
        if len(content) > MAX_BULK_FRAME:
            raise NotAMeterServer("What answers at that address sends more than a meter server does")
        try:
            return response.status, content.decode()
        except UnicodeDecodeError as error:
            raise NotAMeterServer("What answers at that address is no meter server: it sends no text") from error


class _Bytes:
    """What `http.client` takes for a socket: it keeps the deadline of the call that is made."""

    def __init__(self, stream: Stream) -> None:
        self.deadline = Deadline(0.0)
        self.may_end = False
        """Whether the answer that comes tells its end by that of the connection."""
        self._stream = stream
        self._left = b""  # of what has come

    def sendall(self, content: bytes) -> None:
        """Send all of it. Raises `DeadlineExceeded`, or `EOFError` when the connection is gone."""
        self._stream.send(content, self.deadline)

    def take(self, most: int) -> bytes:
        """Return some of what comes.

        Nothing at the end, where it may be; else an answer was cut off, which `http.client` does not tell everywhere.
        Raises `EOFError` then, `DeadlineExceeded` or `TlsError`.
        """
        if not self._left:
            try:
                self._left = self._stream.receive(self.deadline)
            except EOFError:
                if self.may_end:
                    return b""
                raise
        taken, self._left = self._left[:most], self._left[most:]
        return taken

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what an answer is read from."""
        return io.BufferedReader(_Raw(self))

    def close(self) -> None:
        """Do nothing: `http.client` closes before it reads the answer, where that says `Connection: close`."""


class _Raw(io.RawIOBase):
    """The bytes of one answer."""

    def __init__(self, source: _Bytes) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        taken = self._source.take(len(room))
        room[: len(taken)] = taken
        return len(taken)


def _read(kind: Any, text: str) -> Any:
    """Return what stands in an answer. Raises `NotAMeterServer`."""
    try:
        return from_text(kind, text)
    except CallError as error:
        raise NotAMeterServer("What answers at that address is no meter server: check the URL") from error
