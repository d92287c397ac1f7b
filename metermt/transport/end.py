"""An end of a connection: RPyC's, with all taken away that neither a meter server nor its clients have a use for.

RPyC trusts its peer: it passes objects by reference, calls back, and lets either side call a long list of methods on
whatever it holds. Here plain values cross, the server answers a short list of requests for a fixed list of names, the
client answers none, and whoever asks for anything else is hung up on.
"""

from typing import Any

from rpyc.core import consts
from rpyc.core.protocol import Connection

from metermt.transport.plainvalues import Malformed, PlainReader


class Violation(EOFError):
    """The peer sent what none of ours sends; the connection is closed."""


class End(Connection):  # type: ignore[misc]  # rpyc has no type information
    """What both ends have in common."""

    def close(self) -> None:
        """Hang up without a word: RPyC's own close asks the peer first, which may be frozen."""
        if not self._closed:
            self._cleanup()

    def _dispatch(self, data: bytes) -> None:
        reader = PlainReader(data[1:])
        try:
            reader.begin_pair()
            seq = reader.value()
            if type(seq) is not int:
                raise Malformed
            self._dispatch_message(data[0], seq, reader)
        except Malformed:
            raise Violation("malformed bytes") from None

    def _dispatch_message(self, kind: int, seq: int, reader: PlainReader) -> None:
        raise NotImplementedError

    def _dispatch_answer(self, kind: int, seq: int, reader: PlainReader) -> None:
        """Hand an answer to whoever asked. An answer that nobody waits for is let go."""
        if kind not in (consts.MSG_REPLY, consts.MSG_EXCEPTION):
            raise Violation(f"a message of kind {kind}")
        raw = reader.value()
        reader.end()
        failed = kind == consts.MSG_EXCEPTION
        try:
            answer = self._unbox_exc(raw) if failed else self._unbox(raw)
        except (TypeError, ValueError, LookupError):
            raise Malformed from None
        self._seq_request_callback(kind, seq, failed, answer)
        self._recvlock.release()  # after the callback, or a waiting thread would go to sleep again (see RPyC)
