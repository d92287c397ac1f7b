"""What is possible of times that a clock has told which may have been wrong."""

AHEAD = 60.0
"""Seconds that a clock may be ahead of another one. What lies further ahead was told by a clock that was wrong."""


def can_have_been(at: float, now: float) -> bool:
    """Tell whether something can have happened at that time. Both are in seconds since 1970."""
    return at <= now + AHEAD
