"""The server's end of a connection: bytes in, calls and answers out. No I/O.

RPyC trusts its peer: it passes objects by reference, calls back, and lets either side call a long list of methods on
whatever it holds. Here plain values cross, a short list of requests is answered for the names of the calls, and whoever
asks for anything else is hung up on. The root and its methods are known by fixed numbers, so that a client can keep
nothing here.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from rpyc.core import brine, consts

from metermt.errors import CallError, Error
from metermt.model import Role
from metermt.transport.boxing import (
    HEAD,
    NO_KEYWORDS,
    ROOT,
    NoSuchCall,
    Ref,
    Time,
    boxed,
    heads_of,
    method_of,
    unboxed,
)
from metermt.transport.frames import MAX_FRAME, SMALL_FRAME, Frames, Violation, framed, most_bytes
from metermt.transport.plainvalues import Malformed, PlainReader, is_plain

_MAX_TIME = 64  # characters of the text of one
_MAX_OUTPUT = 64_000  # bytes; a client that takes no answers is not given more
_AT_ONCE = 16  # requests that are looked at before it is somebody else's turn
_PUT_OFF = 50  # bytes that a frame takes besides its content, while it lies here
_REFERENCES = {
    consts.HANDLE_GETROOT: (0, 0),
    consts.HANDLE_CLOSE: (0, 0),
    consts.HANDLE_PING: (1, 1),
    consts.HANDLE_GETATTR: (2, 2),
    consts.HANDLE_CALL: (2, 3),
    consts.HANDLE_CALLATTR: (3, 4),
    consts.HANDLE_DEL: (1, 2),
    consts.HANDLE_INSPECT: (1, 1),
}
"""The requests that are answered, and how many arguments each has, at least and at most."""


@dataclass(slots=True)
class Called:
    """A call that wants an answer: its name, and plain values."""

    seq: int
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    time: Time | None = None
    """One of the values, which is not known yet: who has not logged in is not asked for it."""


class ServerEnd:
    """What one client has sent, and what it is to be sent.

    Its owner gives it what has come (`receive`), takes calls from it (`next_call`), answers each by `reply` or `refuse`
    before it takes the next, and sends the `output`, in which answers to small questions stand by themselves. A call
    with a `time` is none yet: it is refused, or the client is asked for the time (`ask_for_time`) once it is known to
    be logged in. Raised errors are `EOFError`s: the connection is of no more use.
    """

    def __init__(self, names: Collection[str], timed: Collection[str] = ()) -> None:
        """`names` are those of the calls, `timed` of those among them that are told a time."""
        self._names = sorted(names)
        self._timed = timed
        self._is_trusted = False
        self._heads = heads_of(tuple(self._names))
        self._frames = Frames(MAX_FRAME)
        self._output: deque[bytes] = deque()  # frames
        self._output_bytes = 0
        self._put_off: deque[bytes] = deque()  # frames that came while the client was asked something
        self._put_off_bytes = 0
        self._asked: Called | None = None  # the call that waits for the text of a time
        self._question = 0  # the number of the last question to the client
        self.is_closed = False
        """Whether the client has said that it hangs up."""

    # --- what its owner does

    def receive(self, chunk: bytes) -> None:
        """Take what has come."""
        self._frames.receive(chunk)

    def trust(self, role: Role) -> None:
        """Take larger frames, and times, from now on: the client has logged in, as somebody of this role."""
        self._frames.most = max(self._frames.most, most_bytes(role))
        self._is_trusted = True

    @property
    def has_more(self) -> bool:
        """Whether `next_call` has something to look at."""
        if self._put_off and not self._asked:
            return True
        return bool(self._frames.received) and self._frames.has_whole

    @property
    def first_bytes(self) -> bytes:
        """What has come, as long as there is no frame among it."""
        return b"" if self._frames.given else bytes(self._frames.received)

    @property
    def is_small(self) -> bool:
        """Whether what `next_call` would look at takes no time."""
        if self._put_off and not self._asked:
            return len(self._put_off[0]) <= SMALL_FRAME
        return self._frames.is_small

    @property
    def waits_for(self) -> tuple[str, int]:
        """What the client has to do next, and a number that grows with all that it does."""
        if self._asked:
            return "answer", self._question
        return ("end" if self._frames.received else "begin"), self._frames.given

    def next_call(self) -> Called | None:
        """Return the next call, None when more has to come, or to be sent, first, or it is somebody else's turn."""
        for number in range(_AT_ONCE):
            if self._output_bytes >= _MAX_OUTPUT or self.is_closed or (number and not self.is_small):
                return None
            frame: bytes | None
            if self._put_off and not self._asked:
                frame = self._put_off.popleft()
                self._put_off_bytes -= len(frame) + _PUT_OFF
            else:
                frame = self._frames.next()
            if frame is None:
                return None
            if called := self._called_by(frame):
                return called
        return None

    def reply(self, called: Called, value: Any) -> None:
        """Answer a call with a plain value."""
        assert is_plain(value), f"{called.name} would hand out a live object"
        try:
            self._say(consts.MSG_REPLY, called.seq, (consts.LABEL_VALUE, value))
        except ValueError:  # a text with half a character, or a number with too many digits
            self.refuse(called, CallError("The answer cannot be written"))

    def refuse(self, called: Called, error: Error) -> None:
        """Answer a call with an error."""
        self._refuse(called.seq, error)

    def ask_for_time(self, called: Called) -> None:
        """Ask the client for the text of the time in its call, which `next_call` returns again once it is there."""
        assert called.time
        self._asked = called
        self._ask(consts.HANDLE_STR, (consts.LABEL_LOCAL_REF, called.time.id_pack))

    def stop_asking(self) -> None:
        """Go on without what the client was asked: its time is over."""
        called, self._asked = self._asked, None
        if called:
            self.refuse(called, _UNREADABLE_TIME)

    def take_output(self) -> bytes:
        """Return all that is to be sent."""
        output = b"".join(self._output)
        self._output.clear()
        self._output_bytes = 0
        return output

    def take_frame(self) -> bytes:
        """Return the first frame of what is to be sent, nothing if there is none."""
        frame = self._output.popleft() if self._output else b""
        self._output_bytes -= len(frame)
        return frame

    # --- messages

    def _called_by(self, frame: bytes) -> Called | None:
        """Return the call in a frame; answer anything else."""
        reader = PlainReader(frame, 1)
        try:
            seq = reader.begin_message()
            if frame[0] != consts.MSG_REQUEST:
                return self._heard(frame[0], seq, reader)
        except Malformed:
            raise Violation("malformed bytes") from None
        if self._asked:
            self._put_off.append(frame)
            self._put_off_bytes += len(frame) + _PUT_OFF
            if self._put_off_bytes > self._frames.most:
                raise Violation("more than is taken while it was asked something")
            return None
        try:
            if called := self._usual_call(seq, reader):
                return called
            request = reader.value()
            reader.end()
        except Malformed:
            # The request is known by its number, so it can be answered: a text that is none, a number too long.
            self._refuse(seq, CallError("Only plain values can be sent"))
            return None
        match request:
            case (int(handler), packed) if handler in _REFERENCES:
                return self._requested(seq, handler, packed)
        raise Violation("a request of a kind that is not answered")

    def _usual_call(self, seq: int, reader: PlainReader) -> Called | None:
        """Return the call of a request that is written as nearly all are: a method, values, no names."""
        name = self._heads.get(reader.peek(HEAD))
        if name is None or not reader.ends_with(NO_KEYWORDS):
            return None
        reader.skip(HEAD)
        args = reader.value()
        reader.skip(len(NO_KEYWORDS))
        reader.end()
        if not isinstance(args, tuple):
            raise Malformed
        return Called(seq, name, args)

    def _requested(self, seq: int, handler: int, packed: Any) -> Called | None:
        try:
            arguments = unboxed(packed)
            least, most = _REFERENCES[handler]
            if not (isinstance(arguments, tuple) and least <= len(arguments) <= most):
                raise CallError("A request has the wrong number of arguments")
            if handler == consts.HANDLE_CALL:
                return self._call(seq, self._name_of(arguments[0]), *arguments[1:])
            if handler == consts.HANDLE_CALLATTR:
                return self._call(seq, self._attribute(*arguments[:2]), *arguments[2:])
            self._say(consts.MSG_REPLY, seq, self._small_answer(handler, arguments))
        except (NoSuchCall, Error) as error:
            self._refuse(seq, error)
        except ValueError:
            self._refuse(seq, CallError("The answer cannot be written"))
        return None

    def _small_answer(self, handler: int, arguments: tuple[Any, ...]) -> tuple[int, Any]:
        """Return what is to be said, boxed, to a request that is no call."""
        match handler:
            case consts.HANDLE_GETROOT:
                return consts.LABEL_REMOTE_REF, ROOT
            case consts.HANDLE_GETATTR:
                return consts.LABEL_REMOTE_REF, method_of(self._names.index(self._attribute(*arguments)))
            case consts.HANDLE_PING if is_plain(arguments[0]):
                return consts.LABEL_VALUE, arguments[0]
            case consts.HANDLE_INSPECT if arguments[0] == ROOT:
                return consts.LABEL_VALUE, tuple((name, "") for name in self._names)
            case consts.HANDLE_CLOSE:
                self.is_closed = True
                return consts.LABEL_VALUE, None
            case consts.HANDLE_DEL:  # nothing is kept for a client, so nothing is to be let go of
                return consts.LABEL_VALUE, None
        raise NoSuchCall

    def _call(self, seq: int, name: str, args: Any, kwargs: Any = ()) -> Called | None:
        match args, kwargs:
            case (*_,), (*pairs,) if all(map(_is_named, pairs)):
                called = Called(seq, name, tuple(args), dict(pairs))
            case _:
                raise CallError("The arguments of a call must be a tuple of values and one of names with values")
        times = [value for value in (*called.args, *called.kwargs.values()) if isinstance(value, Time)]
        if not times:
            if all(map(is_plain, (*called.args, *called.kwargs.values()))):
                return called
            raise CallError(f"{name} takes plain values only: numbers, texts, None")
        if len(times) > 1 or name not in self._timed:
            raise CallError("Objects cannot be passed to this server, only numbers, texts and None")
        called.time = times[0]
        if not self._is_trusted:
            return called
        self.ask_for_time(called)
        return None

    # --- what the root and its methods are called

    def _attribute(self, owner: Any, name: Any) -> str:
        if owner == Ref(ROOT) and isinstance(name, str) and name.removeprefix("exposed_") in self._names:
            return name.removeprefix("exposed_")
        raise NoSuchCall

    def _name_of(self, method: Any) -> str:
        match method:
            case Ref(("builtins.method", 2, int(number))) if 0 <= number < len(self._names):
                return self._names[number]
        raise NoSuchCall

    # --- the one question to a client: the text of a time

    def _ask(self, handler: int, *packages: tuple[int, Any]) -> None:
        self._question += 1
        self._say(consts.MSG_REQUEST, self._question, (handler, (consts.LABEL_TUPLE, packages)))

    def _heard(self, kind: int, seq: int, reader: PlainReader) -> Called | None:
        if kind not in (consts.MSG_REPLY, consts.MSG_EXCEPTION) or not 0 < seq <= self._question:
            raise Violation("an answer to no question")
        answer = reader.value()
        reader.end()
        if not self._asked or seq != self._question:
            return None  # it came too late, or says that the time was let go of
        called, self._asked = self._asked, None
        assert called.time
        self._ask(consts.HANDLE_DEL, (consts.LABEL_LOCAL_REF, called.time.id_pack), (consts.LABEL_VALUE, 1))
        called.time = None
        match kind, answer:
            case consts.MSG_REPLY, (consts.LABEL_VALUE, str(text)) if len(text) <= _MAX_TIME:
                called.args = tuple([text if isinstance(value, Time) else value for value in called.args])
                called.kwargs = {
                    name: text if isinstance(value, Time) else value for name, value in called.kwargs.items()
                }
                if all(map(is_plain, (*called.args, *called.kwargs.values()))):
                    return called
        self.refuse(called, _UNREADABLE_TIME)
        return None

    # --- writing

    def _say(self, kind: int, seq: int, content: Any) -> None:
        frame = framed(bytes([kind]) + brine.dump((seq, content)))
        self._output.append(frame)
        self._output_bytes += len(frame)

    def _refuse(self, seq: int, error: Error | NoSuchCall) -> None:
        self._say(consts.MSG_EXCEPTION, seq, boxed(error))


_UNREADABLE_TIME = CallError("This time cannot be read: pass it as an ISO 8601 text")


def _is_named(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
