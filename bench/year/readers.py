"""What readers type, and what they see when they are asked to look again. Pure functions over the town and a seed."""

import random
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bench.mistakes import plant
from bench.year.figures import (
    CARELESS,
    GUESSED,
    INVENTED,
    INVENTS_FROM,
    KINDS_OF_SLIPS,
    MISREADS,
    SEES_THE_TRUTH,
    UNREADABLE,
    no_access,
)
from bench.year.town import Place, Town
from metermt.model import Job
from metermt.quality import Cause

_NO_ACCESS = ("no-access", "locked-gate", "dog", "key-required")
_UNREADABLE = ("display-faulty", "damaged", "overgrown")


class Word(StrEnum):
    """What lies behind what a reader types first."""

    TRUE = "true"
    SLIP = "slip"
    INVENTED = "invented"
    NOTHING = "nothing"
    """There is only a reason."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What a reader types, and types when asked to look again; None with a `code` why there is no value."""

    word: Word
    truth: int
    value: int | None
    again: int | None
    code: str | None = None
    slip: Cause | None = None


@dataclass(slots=True)
class Said:
    """What came of it: a submission, as its reader and the server have it."""

    meter: str
    cycle: str
    username: str
    when: datetime
    typed: Typed
    key: str
    value: int | None
    """What was accepted."""
    asked: bool = False
    """Whether the reader was asked to look again."""
    error: str = ""
    """Why it was not accepted."""


class Habits:
    """How the readers of a town read: `readers[0]` is careless, the second is offline, the third invents readings."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.names = [f"reader{number + 1:02}" for number in range(town.size.readers)]
        self.offline, self.inventor = self.names[1], self.names[2]
        careless = max(len(self.names) // CARELESS, 1)
        self.careless = {self.names[0], *self.names[3 : 2 + careless]}

    def chance(self, *what: object) -> random.Random:
        """Return chances that depend on nothing else, so that it does not matter who comes first."""
        return random.Random(f"{self.town.size.seed} {what}")

    def type(self, job: Job, username: str, month: int, when: datetime, visit: int) -> Typed:
        """Return what a reader types at a meter, which they visit for the first time in a cycle (0), or once more."""
        place = self.town.of(job.meter.number)
        chance = self.chance(place.number, month, visit)
        truth = place.shows(when)
        odd = chance.random()
        hidden = no_access((month - 1) % 12 + 1)
        if username == self.inventor and month >= INVENTS_FROM and not visit and chance.random() < INVENTED:
            guess = ((job.previous or truth) + round(place.usual * chance.uniform(*GUESSED))) % place.size
            return Typed(Word.INVENTED, truth, guess, guess)
        if odd < hidden + UNREADABLE:
            code = chance.choice(_NO_ACCESS if odd < hidden else _UNREADABLE)
            return Typed(Word.NOTHING, truth, None, None, code)
        share = MISREADS[username in self.careless] * self.town.size.often
        if chance.random() < share and (slip := self._slip(place, truth, job.previous or 0, when, chance)):
            cause, value = slip
            return Typed(Word.SLIP, truth, value, truth if chance.random() < SEES_THE_TRUTH else value, slip=cause)
        return Typed(Word.TRUE, truth, truth, truth)

    def _slip(
        self, place: Place, truth: int, previous: int, when: datetime, chance: random.Random
    ) -> tuple[Cause, int] | None:
        beside = [
            self.town.places[number].shows(when)
            for number in (place.number - 1, place.number + 1)
            if 0 <= number < len(self.town.places) and self.town.route_of(number) == self.town.route_of(place.number)
        ]
        there = {one.kind: one.value for one in plant(truth, previous, beside, chance) if one.value < place.size}
        if not there:
            return None
        cause = chance.choices(list(there), [KINDS_OF_SLIPS[kind] for kind in there])[0]
        return cause, there[cause]
