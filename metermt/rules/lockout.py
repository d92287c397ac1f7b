"""Who has to wait after too many wrong passwords."""

from collections.abc import Sequence

from metermt.rules.clocks import can_have_been


def locked_until(failures: Sequence[float], now: float, *, most: int, window: float) -> float | None:
    """Return until when a name must wait at an address; None if it may try now.

    `failures` are when it failed there, oldest first. So many, `most`, within `window` seconds are too many; those that
    cannot have been yet do not count, and nobody waits longer than `window`. Times are in seconds since 1970.
    """
    counting = [at for at in failures if now - window < at and can_have_been(at, now)]
    return min(counting[-most], now) + window if len(counting) >= most else None
