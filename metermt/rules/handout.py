"""To whom which job is handed, and for how long."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from metermt.model import Walk
from metermt.policy import Policy
from metermt.rules.times import end_of_day

J = TypeVar("J")


class Wish(NamedTuple):
    """So many jobs at most, for a session of a reader, who walks a route, or none yet."""

    session: str
    username: str
    most: int
    walk: Walk | None = None


def shared_out(
    wishes: Sequence[Wish],
    held: Mapping[str, Sequence[J]],
    left: Mapping[str, Sequence[J]],
    free: Mapping[Walk, Sequence[J]],
) -> list[list[J]]:
    """Return the jobs of each wish, no job twice, as `held`, `left` and those of routes in `free` have none in common.

    First what the session holds, so that asking twice gives the same; then what its reader holds by sessions that
    nobody is connected with any more; then what is next on their walk. Who comes first is served first.
    """
    left_of = {username: iter(jobs) for username, jobs in left.items()}
    nobody: Sequence[J] = ()
    taken: set[J] = set()  # two may walk one route from both ends
    held_now = dict(held)
    shares = []
    for wish in wishes:
        share = list(held_now.get(wish.session, ()))[: wish.most]
        ahead = free.get(wish.walk, nobody) if wish.walk else nobody
        for source in (left_of.get(wish.username, iter(nobody)), (job for job in ahead if job not in taken)):
            while len(share) < wish.most and (job := next(source, None)) is not None:
                share.append(job)
                taken.add(job)
                held_now[wish.session] = share
        shares.append(share)
    return shares


def lent_until(now: float, policy: Policy, *, own_route: bool) -> float:
    """Return until when a job stays with the reader whom it is handed to now; both are in seconds since 1970.

    On a route that was given to them that is the end of their day at the earliest. No lease lasts longer than such a
    one.
    """
    until = now + policy.lease.total_seconds()
    if own_route:
        return max(until, end_of_day(datetime.fromtimestamp(now, UTC), policy.day_ends).timestamp())
    return until
