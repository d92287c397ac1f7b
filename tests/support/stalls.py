"""How late this machine runs this process: what an upper bound on time has to allow for."""

import threading
import time
from contextlib import contextmanager

_TICK = 0.01  # seconds


@contextmanager
def lateness():
    """Let a thread sleep again and again during the block; yields what tells how many seconds late it woke, in all.

    Whatever else this process waits for comes late by about as much.
    """
    late, over = [0.0], threading.Event()

    def tick():
        while not over.is_set():
            before = time.monotonic()
            over.wait(_TICK)
            late[0] += max(0.0, time.monotonic() - before - _TICK)

    ticking = threading.Thread(target=tick, name="ticks", daemon=True)
    ticking.start()
    try:
        yield lambda: late[0]
    finally:
        over.set()
        ticking.join()
