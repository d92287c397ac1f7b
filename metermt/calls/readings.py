"""Answers become readings: what readers send in is judged, and kept.

Three moves, however many answers there are: gather the facts, decide one answer after the other on them, keep what was
decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from metermt.audit import Entry, What, said
from metermt.calls.asking import MAX_ITEMS, Ask, Weight
from metermt.calls.meant import JobsMeant
from metermt.calls.rounds import handed_out
from metermt.calls.table import call, call_of_many
from metermt.calls.turn import Refused, Turn
from metermt.errors import CallError, ConfirmReading, Error
from metermt.model import Answer, Job, JobState, Lease, Reading, Role, Standing, Status
from metermt.quality import Flag, Look
from metermt.rules.answers import judged
from metermt.rules.handout import Wish
from metermt.rules.looks import judged_at, quality_of
from metermt.rules.reasons import by_name, coded, in_use
from metermt.rules.standings import check_fits, check_same_answer
from metermt.store.gathered import Offer

_FEW = 64  # answers; more are not answered in a turn with those of others
_A_PART = 100  # answers that are kept in one transaction, ten milliseconds for which all others wait


@dataclass(frozen=True, slots=True)
class Answers:
    """Many answers of one reader."""

    answers: list[Answer]


class Next(Struct, frozen=True):
    """What comes after an accepted answer. `job` is None when there is none left."""

    status: Status
    job: Job | None = None


@call_of_many(
    Role.READER,
    Weight.WRITE,
    parameters={
        "meter": "meter",
        "when": "when",
        "reading": "value",
        "reason": "reason",
        "key": "key",
        "cycle": "cycle",
        "code": "code",
    },
)
def submit_reading(turn: Turn, asks: Sequence[Ask[Answer]]) -> Sequence[Error | None]:
    """Accept a reading, or a reason why there is none. A key that was used before counts once."""
    outcomes = accepted(turn, [(ask.reader.username, ask.request, ask.caller.address) for ask in asks])
    return [outcome if isinstance(outcome, Error) else None for outcome in outcomes]


def _in_parts(request: Answers) -> Sequence[Answers]:
    answers = request.answers
    if len(answers) > MAX_ITEMS:  # it will be refused
        return [request]
    return [Answers(answers[start : start + _A_PART]) for start in range(0, len(answers), _A_PART)]


@call_of_many(
    Role.READER,
    Weight.WRITE,
    is_large=lambda request: len(request.answers) > _FEW,
    parts=_in_parts,
    judges_texts=True,
)
def submit_readings(turn: Turn, asks: Sequence[Ask[Answers]]) -> Sequence[list[Error | None] | Error]:
    """Accept many answers, 100 in one step, and tell of each its error, or None when it was accepted."""
    taken = [ask.request.answers if len(ask.request.answers) <= MAX_ITEMS else None for ask in asks]
    outcomes = iter(
        accepted(
            turn,
            [
                (ask.reader.username, one, ask.caller.address)
                for ask, answers in zip(asks, taken, strict=True)
                for one in answers or ()
            ],
        )
    )
    return [
        CallError(f"Send at most {MAX_ITEMS} readings at once")
        if answers is None
        else [outcome if isinstance(outcome, Error) else None for outcome in islice(outcomes, len(answers))]
        for answers in taken
    ]


@call_of_many(Role.READER, Weight.WRITE, judges_texts=True)
def submit_and_next(turn: Turn, asks: Sequence[Ask[Answer]]) -> Sequence[Next | Error]:
    """Accept an answer as `submit_reading` does; return the status and the job to do next, all in one step."""
    all_wishes = [ask.wish(1) for ask in asks]
    answers = [(wish.username, ask.request, ask.caller.address) for wish, ask in zip(all_wishes, asks, strict=True)]
    decisions = Judging(turn, answers, all_wishes)
    outcomes: list[Any] = list(decisions.outcomes)
    going_on = [place for place, outcome in enumerate(outcomes) if not isinstance(outcome, Error)]
    wishes = [all_wishes[place] for place in going_on]
    shares, leases = handed_out(turn, wishes, decisions.offer(wishes))
    decisions.keep(leases)
    status_of = decisions.statuses()
    for place, wish, share in zip(going_on, wishes, shares, strict=True):
        outcomes[place] = Next(status_of[wish.username], share[0] if share else None)
    return outcomes


@call(Role.READER, Weight.READ, parameters={})
def get_status(turn: Turn, ask: Ask[None]) -> Status:
    """Return how many meters of the open cycles this user has read, and all have."""
    username = ask.reader.username
    return turn.tx.readings.tallies([username])[username]


def accepted(turn: Turn, answers: Sequence[tuple[str, Answer, str]]) -> list[Reading | Error]:
    """Accept answers, each of a reader at an address; return the reading that came of each, or its error.

    A reading by the same reader for a job that is done is a correction: both stay on record, the newer counts. A key
    that this reader has used returns the reading of then and changes nothing.
    """
    decisions = Judging(turn, answers)
    decisions.keep()
    return decisions.outcomes


class Judging:
    """What is decided about answers; what was decided about one is a fact for the next.

    `outcomes` are the reading of each answer, or its error. What is to be known for `wishes` is gathered along.
    """

    def __init__(self, turn: Turn, answers: Sequence[tuple[str, Answer, str]], wishes: Sequence[Wish] = ()) -> None:
        self.outcomes: list[Reading | Error] = []
        self._turn = turn
        self._new: list[tuple[int, Reading]] = []  # by the job's id
        # Jobs, by cycle and reader, and by reader. No Counters: these call Python for what is new, as each is.
        self._done: dict[tuple[str, str], int] = {}
        self._done_by: dict[str, int] = {}
        self._were_free = False  # whether somebody has answered what nobody was handed
        self._looks: dict[int, Look | None] = {}  # by the job's id; None is one that has ended
        sound: dict[int, tuple[str, Answer]] = {}
        for place, (username, answer, _) in enumerate(answers):
            try:
                sound[place] = username, judged(answer, turn.moment)
                self.outcomes.append(_NOT_YET)
            except Error as error:
                self.outcomes.append(self._refused(username, error))
        keys = [(username, answer.key) for username, answer in sound.values() if answer.key]
        meters = {answer.meter for _, answer in sound.values()}
        give_reasons = any(answer.reason or answer.code for _, answer in sound.values())
        facts = turn.tx.gather(turn.now, keys, meters, wishes, reasons=give_reasons)
        self._by_key, standings, self._offer, self._tallies, listed = facts
        self._reasons = by_name(in_use(listed)) if give_reasons else {}
        self._meant = JobsMeant(turn, standings, list(sound.values()))
        # By whom was read what the office has estimated since, which few answers are about: it is one more way to go.
        estimated = [one.job for one in standings if one.is_done and one.read_by is None]
        self._counted_for = turn.tx.office.counted_for(estimated) if estimated else {}
        for place, (username, answer) in sound.items():
            try:
                self.outcomes[place] = self._decide(username, answer, answers[place][2])
            except Error as error:
                self.outcomes[place] = self._refused(username, error)

    def keep(self, leases: Sequence[Lease] = ()) -> None:
        """Keep it, and leases along with it."""
        self._turn.tx.keep(self._new, self._done, leases, self._looks)
        self._turn.kept += [reading for _, reading in self._new]
        self._new, self._done, self._looks = [], {}, {}

    def offer(self, wishes: Sequence[Wish]) -> Offer:
        """Return what may be handed out now."""
        if self._were_free:
            self.keep()
            return self._turn.tx.gather(self._turn.now, wishes=wishes).offer
        return self._offer.without({job for job, _ in self._new})

    def statuses(self) -> dict[str, Status]:
        """Return the status of all who have wished for something."""
        done, more = self._done_by, sum(self._done_by.values())
        return {name: Status(was.count + done.get(name, 0), was.total + more) for name, was in self._tallies.items()}

    def _refused(self, username: str, error: Error) -> Error:
        """Take note of an error, and return it without the frames that it went through.

        They hold what the error is then kept in, and a thousand such circles a call have the collector stop all threads
        for a tenth of a second.
        """
        self._turn.refused.append(Refused(username, error))
        return error.with_traceback(None)

    def _decide(self, username: str, answer: Answer, address: str) -> Reading:
        """Return the reading that an answer becomes.

        Raises `SubmissionError`, and then nothing was decided, but that the reader is asked to look again
        (`ConfirmReading`).
        """
        key = (username, answer.key) if answer.key else None
        if key and (first := self._by_key.get(key)):
            check_same_answer(first, answer)
            return first
        standing = self._meant.job_for(username, answer)
        check_fits(standing, answer, username, self._turn.now)
        if answer.reason or answer.code:
            answer = coded(answer, self._reasons)
        judgement = judged_at(standing, answer, self._turn.moment)
        try:
            quality = quality_of(judgement, standing, answer, username)
        except ConfirmReading:
            self._look(standing, Look(username, cast(int, answer.value), answer.key))
            raise
        if standing.look:
            self._look(standing, None)
        if answer.cycle is not None or answer.verified:
            answer = replace(answer, cycle=None, verified=False)
        flags = judgement.flags
        if standing.is_done and standing.read_by is None:
            flags = (*flags, Flag.LATE)  # the office has estimated it
        odd = (quality, flags, judgement.cause)
        reading = Reading(answer, username, standing.cycle, self._turn.moment, True, *odd)
        self._new.append((standing.job, reading))
        self._record(standing, reading, address)
        self._were_free |= standing.leased_to is None
        if standing.read_by is None:
            self._count(standing, username, +1)
            if before := self._counted_for.get(standing.job):
                self._count(standing, before, -1)
        standing.state, standing.read_by = JobState.DONE, username
        standing.leased_to, standing.leased_until = None, 0.0
        standing.value, standing.reason = answer.value, answer.reason
        if key:
            self._by_key[key] = reading
        return reading

    def _record(self, standing: Standing, reading: Reading, address: str) -> None:
        what, before, answer = What.READING, "", reading.answer
        if standing.state is JobState.DONE:
            what, before = What.CORRECTION, said(standing.cycle, standing.value, standing.reason)
        after = said(standing.cycle, answer.value, answer.reason)
        turn = self._turn
        turn.entries.append(Entry(turn.at, reading.username, address, what, standing.meter, "", before, after))

    def _count(self, standing: Standing, username: str, more: int) -> None:
        tally = standing.cycle, username
        self._done[tally] = self._done.get(tally, 0) + more
        self._done_by[username] = self._done_by.get(username, 0) + more

    def _look(self, standing: Standing, look: Look | None) -> None:
        standing.look = self._looks[standing.job] = look


_NOT_YET = Error("not decided yet")
