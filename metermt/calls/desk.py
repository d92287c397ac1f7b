"""The desk: where requests are answered, one or many in one transaction."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, TypeVar

from metermt.calls.asking import Ask, Call, Caller, Weight
from metermt.calls.known import KnownSessions, key_of
from metermt.calls.memo import Memo
from metermt.calls.regulars import Regulars
from metermt.calls.telling import Telling, fault_of
from metermt.calls.turn import Refused, Turn
from metermt.counting import Answered, Counting, outcome_of
from metermt.errors import AccountDisabled, Error, RoleError, SessionError, StoreError, StoreRefused
from metermt.logring import LogRing
from metermt.model import Reading, Role, Session
from metermt.policy import Policy
from metermt.sparinglog import SparingLog
from metermt.store.base import Store, Tx
from metermt.store.begun import Begun

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

Outcome = Any
"""The result of a call, or the exception that came of it."""

_log = logging.getLogger("metermt.server")


class Desk:
    """Answers requests by what is in a store, for any thread.

    `server` is the name of this server among those that share the store. `clock` returns seconds since 1970; the
    store's unless told otherwise.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        *,
        server: str = "here",
        clock: Callable[[], float] | None = None,
        log: LogRing | None = None,
    ) -> None:
        self.store = store
        self.log = log
        """The last lines of this server's log, if somebody may look at them."""
        self.policy = policy or Policy()
        self.server = server
        self.clock = clock or store.clock
        self.sessions = KnownSessions()
        self.journal = SparingLog(_log)
        """For what clients can cause as often as they like."""
        self.told = Telling(self.journal).told
        self.counting = Counting()
        self.regulars = Regulars()
        self.resting: Callable[[], AbstractContextManager[None]] = nullcontext
        """A part of a long answer is made `with desk.resting()`, at whose end others have the processor for a while.
        Whoever answers those others puts it here."""
        self._here = Caller()  # whoever calls in this process, and is never gone

    def ask(self, call: Call[Q, R], request: Q, session_id: str = "", caller: Caller | None = None) -> R:
        """Return the result of one call. Raises what the call raises, and `SessionError`, `RoleError`, `StoreError`."""
        (outcome,) = self.answer([Ask(call, caller or self._here, session_id, request)])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def answer(self, asks: Sequence[Ask[Any]]) -> list[Outcome]:
        """Return what comes of requests of one weight, in one transaction, or, for light and long ones, in any."""
        if asks[0].call.weight in (Weight.LIGHT, Weight.LONG, Weight.WAITING):
            alone = [self._answer_alone(ask) for ask in asks]
            with self.afterwards():
                self.counting.answered(_answered(asks, alone))
            return alone
        work = Answering(self, asks)
        run = self.store.read if asks[0].call.weight is Weight.READ else self.store.write
        try:
            return work.outcomes(lambda: run(work))
        except Exception as error:  # noqa: BLE001 - one of them has spoilt the transaction: each gets one of its own
            if len(asks) == 1:
                return [error]
            return [outcome for ask in asks for outcome in self.answer([ask])]

    def answer_in_parts(self, ask: Ask[Any]) -> Outcome:
        """Return what comes of a request, or of the part of it that fails; after each others have the processor."""
        outcomes: list[Outcome] = []
        for part in ask.in_parts():
            with self.resting():
                outcomes += self.answer([part])
            if isinstance(outcomes[-1], BaseException):
                return outcomes[-1]
        return outcomes[0] if len(outcomes) == 1 else [one for some in outcomes for one in some]

    def begin(self, asks: Sequence[Ask[Any]], wake: Callable[[], None]) -> "BegunAnswers":
        """Begin to answer short requests of one weight, and do not wait for the store.

        `wake` is that of `Store.begin`.
        """
        work = Answering(self, asks)
        return BegunAnswers(self.store.begin(work, wake, keeps=asks[0].call.weight is Weight.WRITE), work)

    def hang_up(self, callers: Sequence[Caller]) -> None:
        """Leave to their readers the jobs of sessions that nobody is connected with any more. Waits for nobody."""
        self._leave(self.sessions.hung_up(callers))

    def leave_again(self) -> None:
        """Do so once more for those of whom the store was not told, as it was out of order then."""
        self._leave(self.sessions.not_noted())

    def _leave(self, gone: Mapping[str, int]) -> None:
        if not gone:
            return

        def leave(tx: Tx) -> None:
            tx.sessions.leave(self.sessions.still_gone(gone), self.server)

        self.note(leave, lambda: self.sessions.noted(gone))
        self.sessions.forget(gone)

    def note(self, work: Callable[[Tx], None], noted: Callable[[], None] = lambda: None) -> None:
        """Write down what nobody waits for; `noted` is called when it is kept.

        It raises nothing: if that fails, the log says so.
        """
        memo = Memo(self.store, work, self.journal, noted)
        memo.begin()
        memo.look()

    @contextmanager
    def afterwards(self) -> Iterator[None]:
        """Let nothing that goes wrong here, once requests were answered, change what is told of them."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - what was kept is kept, and must not be done again
            words = "what was learnt of requests that were answered is forgotten"
            self.journal.error("faults after answers", fault_of(error), words, error=error)

    def turn(self, tx: Tx) -> Turn:
        """Return what a call is told of the transaction that it is answered in."""
        now = self.clock()
        return Turn(tx, now, datetime.fromtimestamp(now, UTC), self.policy, self.server)

    def write(self, work: Callable[[Turn], T]) -> T:
        """Return what `work` returned, in a transaction; what it has put on record is kept along."""

        def whole(tx: Tx) -> T:
            turn = self.turn(tx)
            outcome = work(turn)
            tx.audit.add(turn.entries)
            return outcome

        return self.store.write(whole)

    def check(self, ask: Ask[Any]) -> None:
        """Raise `SessionError` or `RoleError` unless the call is for who asks; its request is not looked at."""
        if ask.call.least:
            work = Answering(self, [ask])
            self.store.read(work.identify)
            work.remember()
            _check_role(ask)

    def _answer_alone(self, ask: Ask[Any]) -> Outcome:
        try:
            if ask.call.least:
                self.sessions.forget([key_of(ask.session_id)])  # nobody is trusted with what takes long
            self.check(ask)
            return ask.call.function(self, ask)
        except Exception as error:  # noqa: BLE001 - whoever has asked is told
            return error


class Answering:
    """Answers some requests of one weight in a transaction.

    It may be run again, so what was learnt is remembered after it, by `remember`.
    """

    def __init__(self, desk: Desk, asks: Sequence[Ask[Any]]) -> None:
        self.asks = asks
        self._desk = desk
        self._writes = asks[0].call.weight is Weight.WRITE
        self._read: Collection[Session] = ()
        self._due: Mapping[str, float] = {}
        self._changed: Collection[str] = ()
        self._kept: Sequence[Reading] = ()
        self._refused: Sequence[Refused] = ()
        self._now = 0.0

    def __call__(self, tx: Tx) -> list[Outcome]:
        """Answer them."""
        turn = self.identify(tx)
        trusted = self._trusted() if self._writes else set()
        tx.foresee(lambda: tx.accounts.disabled(trusted))
        if self._due and self._writes:
            tx.sessions.note(self._due, turn.server)
        outcomes: list[Outcome] = [None] * len(self.asks)
        of_calls: dict[Call[Any, Any], list[int]] = {}
        for place, ask in enumerate(self.asks):
            try:
                _check_role(ask)
                of_calls.setdefault(ask.call, []).append(place)
            except Error as error:
                outcomes[place] = error
        for call, places in of_calls.items():
            answers = turn.answered(call, [self.asks[place] for place in places])
            for place, answer in zip(places, answers, strict=True):
                outcomes[place] = answer
        if disabled := tx.accounts.disabled(trusted):
            # Then nothing of this turn may be kept. Whoever is left is answered in a transaction without them.
            self._desk.sessions.forget(
                ask.session.key for ask in self.asks if ask.session and ask.session.username in disabled
            )
            raise AccountDisabled
        if turn.entries:
            tx.audit.add(turn.entries)
        self._changed, self._kept, self._refused = turn.ended | turn.moved, turn.kept, turn.refused
        return outcomes

    def identify(self, tx: Tx) -> Turn:
        """Find out who asks."""
        turn = self._desk.turn(tx)
        self._now = turn.now
        self._read, self._due = self._desk.sessions.identify(turn, self.asks)
        return turn

    def _trusted(self) -> set[str]:
        """Return the users whose sessions were not read in this transaction."""
        read = {session.key for session in self._read}
        return {ask.session.username for ask in self.asks if ask.session and ask.session.key not in read}

    def outcomes(self, run: Callable[[], list[Outcome]]) -> list[Outcome]:
        """Return what comes of the requests when this is run. Raises what only one of several can have caused."""
        try:
            outcomes = run()
        except Exception as error:
            all_of_them = isinstance(error, StoreError) and not isinstance(error, StoreRefused)
            if len(self.asks) > 1 and not all_of_them:
                raise
            outcomes = [error] * len(self.asks)
            self._kept = self._refused = ()
        else:
            self.remember()
        with self._desk.afterwards():
            refused = [one.error for one in self._refused]
            self._desk.counting.answered(_answered(self.asks, outcomes), len(self.asks), self._kept, refused)
        return outcomes

    def remember(self) -> None:
        """Remember what was learnt, now that it is in the store. It raises nothing."""
        with self._desk.afterwards():
            self._remember_sessions()
        with self._desk.afterwards():
            if self._changed:  # whatever became of the others: who was logged out is trusted no more
                self._desk.sessions.forget(self._changed)
        for username, error in self._refused:
            self._desk.journal.info("refused readings", username, "refused a reading by %s: %s", username, error)

    def _remember_sessions(self) -> None:
        sessions = self._desk.sessions
        if self._read:
            sessions.learn(self._read, self._now)
        for ask in self.asks:
            if ask.session and sessions.shown(ask.caller, ask.session):
                self._desk.regulars.logged_in(ask.session.username, ask.caller.address)
        if due := self._due:
            if not self._writes:  # or it has noted that itself
                self._desk.note(lambda tx: tx.sessions.note(due, self._desk.server))
            sessions.answered(self.asks)
            sessions.forget(due)  # to be read again, as they are now


@dataclass(frozen=True, slots=True)
class BegunAnswers:
    """Requests that are being answered: in a transaction that was `begun`."""

    begun: Begun[list[Outcome]]
    _work: Answering

    def outcomes(self) -> list[Outcome]:
        """Return what came of each request, once that is over.

        Raises what nobody has expected, if there are several: one of them has spoilt the transaction, so that each
        needs one of its own.
        """
        return self._work.outcomes(self.begun.result)


def _answered(asks: Sequence[Ask[Any]], outcomes: Sequence[Outcome]) -> list[Answered]:
    """Return what is counted of requests: of those in parts the last one, or the one that went wrong."""
    now = monotonic()
    return [
        (ask.call.name, outcome_of(outcome), now - ask.since)
        for ask, outcome in zip(asks, outcomes, strict=True)
        if not ask.has_more or isinstance(outcome, BaseException)
    ]


def _check_role(ask: Ask[Any]) -> None:
    """Raise `SessionError`, its subclass `AccountDisabled`, or `RoleError` unless the call is for who asks."""
    least = ask.call.least
    if least is None:
        return
    role = ask.caller.role or (ask.session.user.role if ask.session else None)
    if role is None:
        raise AccountDisabled if ask.is_disabled else SessionError
    if not role.may_act_as(least):
        words = "an admin" if least is Role.ADMIN else f"a {least} or more"
        raise RoleError(f"{ask.call.name} is for {words}, and you are a {role}", role=str(least))
