"""To whom which job is handed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

J = TypeVar("J")


class Wish(NamedTuple):
    """So many jobs at most, for a session of a reader."""

    session: str
    username: str
    most: int


def shared_out(
    wishes: Sequence[Wish],
    held: Mapping[str, Sequence[J]],
    left: Mapping[str, Sequence[J]],
    free: Sequence[J],
) -> list[list[J]]:
    """Return the jobs of each wish, no job twice, as `held`, `left` and `free` have none in common.

    First what the session holds, so that asking twice gives the same; then what its reader holds by sessions that
    nobody is connected with any more; then free ones in their order. Who comes first is served first.
    """
    left_of = {username: iter(jobs) for username, jobs in left.items()}
    free_ones = iter(free)
    held_now = dict(held)
    shares = []
    for wish in wishes:
        share = list(held_now.get(wish.session, ()))[: wish.most]
        for source in (left_of.get(wish.username, iter(())), free_ones):
            while len(share) < wish.most and (job := next(source, None)) is not None:
                share.append(job)
                held_now[wish.session] = share
        shares.append(share)
    return shares
