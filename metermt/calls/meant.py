"""Which jobs readers mean, also where no open cycle has one."""

from collections.abc import Iterable, Sequence

from metermt.calls.turn import Turn
from metermt.model import Answer, JobState, Standing
from metermt.rules.exchanges import exchanged_for
from metermt.rules.standings import job_at_hand, job_meant


class JobsMeant:
    """Finds the jobs that answers of readers are for.

    It looks at exchanges, and into the closed cycles, if that is where answers may belong, which few do: it is one more
    way to go.
    """

    def __init__(self, turn: Turn, standings: Iterable[Standing], answers: Sequence[tuple[str, Answer]]) -> None:
        """`standings` are those of the meters of all answers; each of these is by a reader of this name."""
        self._now = turn.now
        self._standings: dict[str, list[Standing]] = {}  # by meter, oldest cycle first
        for standing in standings:
            self._standings.setdefault(standing.meter, []).append(standing)
        lost = [
            answer
            for username, answer in answers
            if not job_at_hand(self._standings.get(answer.meter, ()), answer, username, self._now)
        ]
        unnamed = {answer.meter for answer in lost if answer.cycle is None}
        corrected = {meter for meter, there in self._standings.items() if there[-1].state is JobState.DONE}
        doubtful = corrected | {answer.meter for answer in lost}
        named = any(answer.cycle is not None for answer in lost)
        tx = turn.tx
        self._taken_down = tx.devices.taken_down(doubtful) if doubtful else {}
        self._closed_hands = tx.rounds.closed_hands(unnamed) if unnamed else {}
        self._cycles = tx.cycles.all() if named else {}

    def job_for(self, username: str, answer: Answer) -> Standing:
        """Return the job that an answer is for, as it stands by now.

        Raises `CycleClosed`, `MeterExchanged`, `UnknownCycle`, or `UnknownMeter` if there is no job.
        """
        closed = self._closed_cycle_of(username, answer)
        if closed is None and (exchange := self._taken_down.get(answer.meter)):
            raise exchanged_for(exchange)
        return job_meant(self._standings.get(answer.meter, ()), answer, username, self._now, closed, self._cycles)

    def _closed_cycle_of(self, username: str, answer: Answer) -> str | None:
        """Return the closed cycle that an answer is for, None if there is none.

        One that names none is for a cycle that its reader was handed the meter in; if no open cycle has it, for any.
        """
        if answer.cycle is not None:
            return None if self._cycles.get(answer.cycle, True) else answer.cycle
        mine = self._closed_hands.get((answer.meter, username))
        return mine if mine or answer.meter in self._standings else self._closed_hands.get((answer.meter, ""))
