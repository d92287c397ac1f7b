"""What a client is told of what went wrong: safe words, and the log has the rest."""

import secrets
from threading import Lock

from metermt.errors import Error, InternalError, StoreAway, StoreError, StoreGone
from metermt.sparinglog import SparingLog


class Telling:
    """Words for clients. What nobody has expected is logged with its trace back: once, and then counted.

    So a disk that is full for an hour leaves one trace back in the log, and not one for each call.
    """

    def __init__(self, journal: SparingLog) -> None:
        self._journal = journal
        self._lock = Lock()  # guards _ids
        self._ids: dict[str, str] = {}  # by the fault; as many as there are places in the program where one can be

    def told(self, error: BaseException) -> Error:
        """Return what a client may know of an error.

        Our own errors are made for people. The text of a `StoreError` names files, and what nobody has expected may say
        anything: of these the client is told an id, under which the log has all details.
        """
        if isinstance(error, StoreGone):  # likewise
            return StoreGone(
                "The file of the server's database was moved, replaced or deleted, and the server keeps nothing more:"
                " tell whoever runs it to put it right and restart it, then try again"
            )
        if isinstance(error, StoreAway):  # the store has logged it, once for all
            return StoreAway("The server cannot reach its database; whether this was kept is not known: try again")
        if isinstance(error, StoreError):
            return type(error)(f"The server cannot use its database ({self._logged(error)}): try again later")
        if isinstance(error, Error):
            return error
        return InternalError(f"Internal error {self._logged(error)}: tell whoever runs the server")

    def _logged(self, error: BaseException) -> str:
        fault = fault_of(error)
        correlation_id = secrets.token_hex(4)
        with self._lock:
            if self._journal.error("internal errors", fault, "internal error %s", correlation_id, error=error):
                self._ids[fault] = correlation_id
            return self._ids.setdefault(fault, correlation_id)


def fault_of(error: BaseException) -> str:
    """Name a fault by what it is, or by where in the program it was raised."""
    name = type(error).__name__
    if isinstance(error, StoreError):
        return f"{name} after {type(error.__cause__).__name__}" if error.__cause__ else name
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{name} in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else name
