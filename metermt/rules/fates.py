"""What becomes of an answer that a server has not accepted."""

from enum import Enum, auto

from metermt.errors import (
    AccountDisabled,
    AlreadyRead,
    ConfirmReading,
    ConnectionFailed,
    Error,
    InternalError,
    InvalidReading,
    InvalidReason,
    MeterLeased,
    SessionError,
    StoreError,
    SubmissionError,
    UnknownMeter,
)

UNCERTAIN = (ConnectionFailed, StoreError, InternalError)
"""After these nobody knows whether a call was carried out, or it can be later."""


class Fate(Enum):
    """What becomes of the answer, and where its reader goes on."""

    LOGIN = auto()
    """It is kept, and sent again after a login."""
    AGAIN = auto()
    """It is kept, and sent again if its reader wishes: nobody knows whether it was accepted. It counts once."""
    KEPT = auto()
    """It is kept: the server does not take it from this reader, or from this program, now."""
    ODD = auto()
    """It is kept until its reader has looked again and typed what the meter shows."""
    WRONG = auto()
    """It is thrown away, as it can never be right; its reader types it anew."""
    REFUSED = auto()
    """Its reader says whether it is thrown away, and stays at the meter."""
    GONE = auto()
    """Its reader says whether it is thrown away, and goes on: there is nothing to read at this meter for them."""


_FATES = (  # the first that fits
    (AccountDisabled, Fate.KEPT),
    (SessionError, Fate.LOGIN),
    (UNCERTAIN, Fate.AGAIN),
    (ConfirmReading, Fate.ODD),
    ((InvalidReading, InvalidReason), Fate.WRONG),
    ((MeterLeased, AlreadyRead, UnknownMeter), Fate.GONE),
    (SubmissionError, Fate.REFUSED),
)


def fate_of(error: Error) -> Fate:
    """Return what becomes of an answer to which a server, or the way to it, has said this."""
    return next((fate for kind, fate in _FATES if isinstance(error, kind)), Fate.KEPT)
