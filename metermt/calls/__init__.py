"""What a client can ask for. The table knows all calls once these modules are imported."""

from metermt.calls import accounts, left, office, readings, rounds, servers, sessions, unread

__all__ = ["accounts", "left", "office", "readings", "rounds", "servers", "sessions", "unread"]
