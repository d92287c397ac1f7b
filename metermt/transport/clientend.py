"""The client's end of a connection."""

from typing import Any

from rpyc.core import consts, netref

from metermt.errors import CallError, Error
from metermt.transport.end import End, Violation
from metermt.transport.plainvalues import PlainReader
from metermt.wire import error_of


class ClientEnd(End):
    """The client's end. It answers nothing; the only objects it knows are the server's root and its methods."""

    def _dispatch_message(self, kind: int, seq: int, reader: PlainReader) -> None:
        if kind == consts.MSG_REQUEST:
            raise Violation("a request, to a client")
        self._dispatch_answer(kind, seq, reader)

    def _netref_factory(self, id_pack: tuple[str, int, int]) -> netref.BaseNetref:
        return netref.BaseNetref(self, id_pack)  # RPyC's own asks the server for a list of methods first

    def _unbox(self, package: Any) -> Any:
        match package:
            case (consts.LABEL_VALUE, value):
                return value
            case (consts.LABEL_REMOTE_REF, (str(), int(), int())):  # the root, or one of its methods
                return super()._unbox(package)
        raise ValueError

    def _unbox_exc(self, raw: Any) -> Error:
        match raw:
            case ((_, "AttributeError"), _, _, _):
                return CallError("This server does not know that call: is it older than this client?")
            case (_, (str(text), *_), (*attributes,), _):
                codes = [pair[1] for pair in attributes if isinstance(pair, tuple) and pair[:1] == ("code",)]
                return error_of(str(codes[0]) if codes else "", text)
        raise ValueError
