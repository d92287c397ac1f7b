"""What the tests of the shared dictionaries have in common: keys and values to put in, and threads that do so."""

import sys
import threading
import time
from dataclasses import dataclass

DEADLINE = 20  # seconds; the slowest of these takes one, so only a deadlock gets there
USERS = ("ada", "ben", "cyd")


@dataclass(frozen=True)
class Reading:
    username: str
    value: int = 0


class Yielding:
    """A key whose hash and equality are Python code, where the interpreter may change threads."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return hash(self.number)

    def __eq__(self, other):
        return isinstance(other, Yielding) and self.number == other.number


class Keyed:
    """The least that update() takes for a mapping."""

    def __init__(self, pairs):
        self.pairs = dict(pairs)

    def keys(self):
        return self.pairs.keys()

    def __getitem__(self, key):
        return self.pairs[key]


def run_together(*works):
    """Start every work at one barrier, wait for all, raise what any raised, return what each returned."""
    barrier = threading.Barrier(len(works))
    returned, raised = {}, []

    def run(place, work):
        try:
            barrier.wait(DEADLINE)
            returned[place] = work()
        except BaseException as error:  # noqa: BLE001 (the caller raises it)
            raised.append(error)

    threads = [
        threading.Thread(target=run, args=placed, daemon=True, name=f"work {placed[0]}") for placed in enumerate(works)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # change threads as often as can be: races are met in few rounds
    try:
        until = time.monotonic() + DEADLINE
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
    finally:
        sys.setswitchinterval(interval)
    if raised:
        raise raised[0]
    stuck = [thread.name for thread in threads if thread.is_alive()]
    assert not stuck, f"still running after {DEADLINE} s: {stuck}"
    return [returned[place] for place in range(len(works))]


def outcome(call, dictionary):
    """Return what the call gave or the class of what it raised, so that two dictionaries can be compared."""
    try:
        return "returned", call(dictionary)
    except (KeyError, TypeError, ValueError) as error:
        return "raised", type(error)
