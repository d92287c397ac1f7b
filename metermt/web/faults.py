"""Which number XML-RPC has for an error: for each code its own, which never changes."""

from metermt.errors import Error

PARSE_ERROR, NO_SUCH_METHOD, INVALID_PARAMS = -32700, -32601, -32602
"""Of the XML-RPC community's list of interoperable faults."""

FAULTS = {
    "error": 100,
    "login": 101,
    "too-many-failures": 102,
    "account-disabled": 103,
    "session": 104,
    "role": 105,
    "submission": 110,
    "invalid-reading": 111,
    "confirm-reading": 112,
    "invalid-reason": 113,
    "invalid-time": 114,
    "invalid-key": 115,
    "invalid-report": 116,
    "unknown-meter": 117,
    "cycle-closed": 118,
    "meter-exchanged": 119,
    "unknown-cycle": 120,
    "meter-leased": 121,
    "already-read": 122,
    "user": 130,
    "route": 131,
    "decision": 132,
    "reason": 133,
    "layout": 134,
    "setting": 135,
    "cannot-estimate": 136,
    "call": INVALID_PARAMS,
    "store": 150,
    "store-away": 151,
    "store-gone": 152,
    "store-locked": 153,
    "store-refused": 154,
    "store-too-new": 155,
    "not-a-store": 156,
    "outbox": 160,
    "listen": 161,
    "connection": 170,
    "unreachable": 171,
    "tls": 172,
    "not-a-server": 173,
    "busy": 174,
    "lost": 175,
    "registry": 176,
    "deadline": 177,
    "internal": 190,
}


def fault_of(error: Error) -> int:
    """Return the number of an error."""
    return FAULTS[error.code]
