"""What a client can ask for. The table knows all calls once these modules are imported."""

from metermt.calls import (
    accounts,
    cycles,
    finding,
    left,
    limits,
    office,
    opening,
    places,
    readings,
    rounds,
    servers,
    sessions,
    unread,
    walks,
)

__all__ = [
    "accounts",
    "cycles",
    "finding",
    "left",
    "limits",
    "office",
    "opening",
    "places",
    "readings",
    "rounds",
    "servers",
    "sessions",
    "unread",
    "walks",
]
