"""A reader's round: which meter to read next."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from metermt.calls.table import MAX_ITEMS, Ask, Turn, Weight, call_of_many
from metermt.errors import CallError, Error
from metermt.model import Job, Lease, Role
from metermt.rules.handout import Wish, shared_out
from metermt.store.gathered import Offer

_log = logging.getLogger("metermt.server")

_FEW = 20  # jobs; who wants more is not answered in a turn with others


@dataclass(frozen=True, slots=True)
class JobsWanted:
    """So many jobs at most, to be read where there is no network."""

    n: int


@call_of_many(Role.READER, Weight.WRITE, parameters={})
def get_job(turn: Turn, asks: Sequence[Ask[None]]) -> Sequence[str | Error | None]:
    """Return the number of the meter to read next, None when all are read or being read. See `next_job`."""
    return [share[0].meter.number if share else None for share in _hand_out(turn, [ask.wish(1) for ask in asks])]


@call_of_many(Role.READER, Weight.WRITE)
def next_job(turn: Turn, asks: Sequence[Ask[None]]) -> Sequence[Job | Error | None]:
    """Return the job to do next, None when all are done or in other hands. Asking twice gives the same.

    It is the one that this session still holds; else one that the reader holds by a session that nobody is connected
    with any more; else the next free one in the order of cycle, route and sequence. It stays with the session for 30
    minutes from now, unless `Policy` says otherwise.
    """
    return [share[0] if share else None for share in _hand_out(turn, [ask.wish(1) for ask in asks])]


@call_of_many(Role.READER, Weight.WRITE, is_large=lambda request: request.n > _FEW)
def get_jobs(turn: Turn, asks: Sequence[Ask[JobsWanted]]) -> Sequence[list[Job] | Error]:
    """Return up to `n` jobs, to be read where there is no network, as `next_job` does. `n` is from 1 to 1,000."""
    shares = iter(_hand_out(turn, [ask.wish(ask.request.n) for ask in asks if _can_be(ask.request)]))
    return [
        next(shares) if _can_be(ask.request) else CallError(f"Ask for 1 to {MAX_ITEMS} jobs at once") for ask in asks
    ]


def handed_out(turn: Turn, wishes: Sequence[Wish], offer: Offer) -> tuple[list[list[Job]], list[Lease]]:
    """Return the jobs for each wish out of those that are offered, and their leases, which are to be kept."""
    until = turn.now + turn.policy.lease.total_seconds()
    leases: list[Lease] = []
    jobs: list[list[Job]] = []
    for wish, share in zip(wishes, shared_out(wishes, *offer), strict=True):
        jobs.append([known.job for known in share])
        for known in share:
            leases.append(Lease(known.id, wish.username, wish.session, until))
    if _log.isEnabledFor(logging.DEBUG):
        for wish, given in zip(wishes, jobs, strict=True):
            _log.debug("handed out to %s: %s", wish.username, ", ".join(job.meter.number for job in given) or "nothing")
    return jobs, leases


def _hand_out(turn: Turn, wishes: Sequence[Wish]) -> list[list[Job]]:
    jobs, leases = handed_out(turn, wishes, turn.tx.gather(turn.now, wishes=wishes).offer)
    turn.tx.keep(leases=leases)
    return jobs


def _can_be(wanted: JobsWanted) -> bool:
    return type(wanted.n) is int and 1 <= wanted.n <= MAX_ITEMS
