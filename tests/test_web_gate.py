"""Turns at the door for HTTP: how they are given, and what they are paid with."""

import asyncio
import time

import pytest

from metermt.calls.regulars import Regulars
from metermt.web.gate import Gate, Metered


class Visit:
    """Somebody who takes some of a processor when it is their turn."""

    def __init__(self, gate, taken, seconds=0.0):
        self.address = "10.0.0.1"
        self._gate, self._taken, self._seconds = gate, taken, seconds

    def go_on(self):
        self._taken.append(self)
        self._gate.took(self._seconds)


@pytest.fixture
def slept(monkeypatch):
    """The rests that were taken; no time passes here."""
    rests, sleep = [], asyncio.sleep
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)

    async def rest(seconds):
        rests.extend([seconds] if seconds else [])
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", rest)
    return rests


def turns(gate, visits):
    """Give these a turn each."""

    async def give():
        opened = asyncio.create_task(gate.open())
        for visit in visits:
            gate.came(visit)
        while len(gate._waiting):
            await asyncio.sleep(0)
        for _ in range(8):
            await asyncio.sleep(0)
        opened.cancel()

    asyncio.run(give())


def test_what_a_turn_has_taken_is_rested_for_by_the_share(slept):
    taken = []
    gate = Gate(Regulars(), 10, 0.2)
    visits = [Visit(gate, taken, 0.004), Visit(gate, taken), Visit(gate, taken, 0.004)]
    turns(gate, visits)
    assert taken == visits
    assert slept == pytest.approx([0.016, 0.016]), "four times as long"


def test_who_has_gone_takes_no_turn(slept):
    taken = []
    gate = Gate(Regulars(), 10, 0.2)
    gone, there = Visit(gate, taken), Visit(gate, taken)
    gate.came(gone)
    gate.went(gone)
    turns(gate, [there])
    assert taken == [there]


async def working(steps, outcome=None):
    """Take at least a millisecond of a processor in each of so many steps."""
    for _ in range(steps):
        until = time.thread_time() + 0.001
        while time.thread_time() < until:
            pass
        await asyncio.sleep(0)
    if outcome:
        raise outcome


def test_each_step_of_a_metered_coroutine_is_told_of():
    told = []
    asyncio.run(_awaited(Metered(working(3), told.append)))
    assert sum(seconds >= 0.001 for seconds in told) == 3


def test_what_a_metered_coroutine_raises_is_raised():
    with pytest.raises(KeyError):
        asyncio.run(_awaited(Metered(working(1, KeyError()), lambda _: None)))


def test_a_metered_coroutine_learns_that_it_was_cancelled():
    learnt = []

    async def waiting():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            learnt.append("cancelled")
            raise

    async def cancel():
        task = asyncio.create_task(_awaited(Metered(waiting(), lambda _: None)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert learnt == ["cancelled"]


async def _awaited(metered):
    await metered
