"""Every way in which a call to MeterMT can fail, as one tree.

    Error                       the base: catch this to catch all
    ├── LoginError              wrong user name or password
    │   ├── TooManyFailures     too many wrong passwords: wait
    │   └── AccountDisabled     the password is right, and the office has disabled the account; also a SessionError
    ├── SessionError            the session id is unknown, expired or logged out
    ├── RoleError               the user's role does not allow this call
    ├── SubmissionError         a reading is refused, and nothing changed
    │   ├── InvalidReading      not a whole number, below zero, too many digits
    │   ├── ConfirmReading      odd: look again, and send it again
    │   ├── InvalidReason       too long, with control characters, an unknown code, or none to send a reading with
    │   ├── InvalidTime         unreadable, or in the future
    │   ├── InvalidKey          not a key, or a key used for another reading
    │   ├── InvalidReport       a note, a meter that was found, or an exchange cannot be taken as it is
    │   ├── UnknownMeter        no such meter in the open cycles
    │   │   ├── CycleClosed     its job was in a cycle that is closed
    │   │   ├── MeterExchanged  another device hangs there now
    │   │   └── UnknownCycle    there is no cycle of that name
    │   ├── MeterLeased         another reader is reading this meter now
    │   └── AlreadyRead         another reader has read this meter this cycle
    ├── UserError               a user name that is unknown, taken or malformed, or a bad password
    ├── RouteError              a route file or a cycle that cannot be used
    ├── DecisionError           what the office decides about a reading does not fit how it stands
    ├── ReasonError             a reason that cannot be on the office's list, or is not on it
    ├── LayoutError             a layout that cannot be used, or a line that does not fit into it
    ├── SettingError            a setting that makes no sense
    ├── CannotEstimate          the past of a meter does not tell what it shows
    ├── CallError               a call with the wrong arguments
    ├── StoreError              the database cannot be used
    │   ├── StoreAway           it is out of reach, or did not answer in time
    │   │   └── StoreGone       its file was moved, replaced or deleted while it was in use
    │   ├── StoreLocked         another program keeps it locked
    │   ├── StoreRefused        it does not take what it was given
    │   ├── StoreTooNew         a newer MeterMT made it
    │   └── NotAStore           the file is something else
    ├── OutboxError             this device cannot keep what was typed
    ├── ListenError             the server cannot listen where it was told to
    ├── ConnectionFailed        no conversation with the server
    │   ├── ServerUnreachable   nobody answers at that address
    │   ├── TlsError            the server cannot be trusted, or speaks no TLS
    │   ├── NotAMeterServer     what answers there speaks another protocol
    │   ├── ServerBusy          it has as many connections as it takes
    │   ├── ServerLost          the connection broke during a call
    │   ├── RegistryUnreachable no registry answers at that address
    │   └── DeadlineExceeded    no answer in time
    └── InternalError           a fault in the server; its log has the details under the id in the text

The text of an error is made for people: it says what was wrong and what to do. Each class has a `code` that never
changes; programs compare that, or the class, and never the text. What else they may want to know is in `details`.
"""

from typing import ClassVar

Detail = str | int | float | bool | None


class Error(Exception):
    """The base of all errors of MeterMT."""

    code: ClassVar[str] = "error"

    def __init__(self, text: str = "", **details: Detail) -> None:
        super().__init__(text)
        self.details = details


class LoginError(Error):
    """The user name or the password is wrong. Which of the two is never said."""

    code = "login"

    def __init__(self, text: str = "Invalid username or password", **details: Detail) -> None:
        super().__init__(text, **details)


class TooManyFailures(LoginError):
    """This user name has failed too often from this address: even the right password waits `details["seconds"]`."""

    code = "too-many-failures"


class SessionError(Error):
    """The session id is unknown, has expired or was logged out: log in again."""

    code = "session"

    def __init__(self, text: str = "Invalid session ID", **details: Detail) -> None:
        super().__init__(text, **details)


class AccountDisabled(LoginError, SessionError):
    """The office has disabled the account. Only who knows its password, or had logged in, is told."""

    code = "account-disabled"

    def __init__(self, text: str = "Your account has been disabled: ask the office", **details: Detail) -> None:
        super().__init__(text, **details)


class RoleError(Error):
    """The user's role does not allow this call. `details["role"]` is the least one that does."""

    code = "role"


class SubmissionError(Error):
    """A reading is refused; nothing was changed."""

    code = "submission"


class InvalidReading(SubmissionError):
    """The reading is not a whole number, is below zero without a reason, or has too many digits."""

    code = "invalid-reading"


class ConfirmReading(SubmissionError):
    """The reading is odd, and not stored yet: look, and send it again; `details` has `flags`, and `cause` if any."""

    code = "confirm-reading"


class InvalidReason(SubmissionError):
    """The reason is no text, too long, has control characters or an unknown code, or forbids a reading beside it."""

    code = "invalid-reason"


class InvalidTime(SubmissionError):
    """The time of the reading cannot be understood, or lies in the future."""

    code = "invalid-time"


class InvalidKey(SubmissionError):
    """The key is malformed, or was used before for a different reading."""

    code = "invalid-key"


class InvalidReport(SubmissionError):
    """A note or a report makes no sense; `details["field"]` says which part of it, if that can be said."""

    code = "invalid-report"


class UnknownMeter(SubmissionError):
    """No open cycle has a meter of this number, or the cycle that was named is none."""

    code = "unknown-meter"


class CycleClosed(UnknownMeter):
    """The reading is for a job of the cycle `details["cycle"]`, which was closed before it came."""

    code = "cycle-closed"


class UnknownCycle(UnknownMeter):
    """The reading names a cycle that there is not."""

    code = "unknown-cycle"


class MeterExchanged(UnknownMeter):
    """The device was taken down, and `details["new"]` hangs there now, since the day `details["on"]`."""

    code = "meter-exchanged"


class MeterLeased(SubmissionError):
    """Another reader, `details["username"]`, has been handed this meter and still has time to read it."""

    code = "meter-leased"


class AlreadyRead(SubmissionError):
    """Another reader, `details["username"]`, has read this meter in this cycle."""

    code = "already-read"


class UserError(Error):
    """A user name is unknown, taken or malformed, or a new password cannot be used."""

    code = "user"


class RouteError(Error):
    """A route file or a cycle cannot be used."""

    code = "route"


class DecisionError(Error):
    """The result was decided already, has changed meanwhile, or cannot be decided so; nothing was changed."""

    code = "decision"


class ReasonError(Error):
    """A reason is malformed, taken, or not on the office's list."""

    code = "reason"


class LayoutError(Error):
    """A layout of files for billing cannot be used, or a line has what it has no room for."""

    code = "layout"


class SettingError(Error):
    """A setting makes no sense."""

    code = "setting"


class CannotEstimate(Error):
    """The past of a meter does not tell what it shows: a reader has to look at it, or the office knows a value."""

    code = "cannot-estimate"


class CallError(Error):
    """A call was made with the wrong number or the wrong kinds of arguments."""

    code = "call"


class StoreError(Error):
    """The database cannot be read or written."""

    code = "store"


class StoreAway(StoreError):
    """The database is out of reach, or did not answer in time. Whether it has kept what it was given is not known."""

    code = "store-away"


class StoreGone(StoreAway):
    """The file of the database was moved, replaced or deleted while it was in use. Only opening it anew helps."""

    code = "store-gone"


class StoreLocked(StoreError):
    """Another program keeps the database locked."""

    code = "store-locked"


class StoreRefused(StoreError):
    """The database does not take what it was given, whatever else it takes."""

    code = "store-refused"


class StoreTooNew(StoreError):
    """The database was made by a newer version of MeterMT."""

    code = "store-too-new"


class NotAStore(StoreError):
    """The file is not a MeterMT database."""

    code = "not-a-store"


class OutboxError(Error):
    """This device cannot keep what was typed until the server has accepted it, or cannot look it up."""

    code = "outbox"


class ListenError(Error):
    """The server cannot listen at the address it was told to."""

    code = "listen"


class ConnectionFailed(Error):
    """There is no conversation with the server."""

    code = "connection"


class ServerUnreachable(ConnectionFailed):
    """Nobody answers at this address."""

    code = "unreachable"


class TlsError(ConnectionFailed):
    """The server could not prove who it is, or one side speaks TLS and the other does not."""

    code = "tls"


class NotAMeterServer(ConnectionFailed):
    """What answers at this address does not speak the protocol."""

    code = "not-a-server"


class ServerBusy(ConnectionFailed):
    """The server has as many connections as it takes, from everybody or from this address, or more to do: try later."""

    code = "busy"


class ServerLost(ConnectionFailed):
    """The connection broke; whether the call was carried out is not known."""

    code = "lost"


class RegistryUnreachable(ConnectionFailed):
    """No registry answers at this address, so no server can be found by name."""

    code = "registry"


class DeadlineExceeded(ConnectionFailed):
    """The answer did not come in time; whether the call was carried out is not known."""

    code = "deadline"


class InternalError(Error):
    """A fault in the server. Its log has the details under the id in the text."""

    code = "internal"


def _with_descendants(cls: type[Error]) -> dict[str, type[Error]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found |= _with_descendants(child)
    return found


BY_CODE = _with_descendants(Error)
"""Every class of the tree by its code."""
