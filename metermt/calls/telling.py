"""What a client is told of what went wrong: safe words, and the log has the rest."""

import logging
import secrets

from metermt.errors import Error, InternalError, StoreAway, StoreError, StoreGone

_log = logging.getLogger("metermt.service")


def told(error: BaseException) -> Error:
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
        return type(error)(f"The server cannot use its database ({_logged(error)}): try again later")
    if isinstance(error, Error):
        return error
    return InternalError(f"Internal error {_logged(error)}: tell whoever runs the server")


def _logged(error: BaseException) -> str:
    correlation_id = secrets.token_hex(4)
    _log.error("internal error %s", correlation_id, exc_info=error)
    return correlation_id
