"""How long a thread that works for few rests, so that the one that answers all has the processor."""

_LONGEST = 0.1  # seconds


def rest_after(taken: float, share: float) -> float:
    """Return how many seconds to rest after so many seconds of work, to take this part of a processor at most."""
    return min(taken / share - taken, _LONGEST)
