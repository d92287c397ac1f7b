"""What a client can ask for. The table knows all calls once these modules are imported."""

from metermt.calls import (
    accounts,
    cycles,
    found,
    left,
    limits,
    notes,
    office,
    opening,
    places,
    readings,
    reasons,
    rounds,
    servers,
    sessions,
    unread,
    walks,
)

__all__ = [
    "accounts",
    "cycles",
    "found",
    "left",
    "limits",
    "notes",
    "office",
    "opening",
    "places",
    "readings",
    "reasons",
    "rounds",
    "servers",
    "sessions",
    "unread",
    "walks",
]
