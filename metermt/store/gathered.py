"""What a transaction gathers at once: the facts that answers are judged by, and jobs are handed out by."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from metermt.fieldnotes import Reason
from metermt.model import Job, Reading, Standing, Status, Walk

Key = tuple[str, str]
"""A user name and the key of a submission of that user."""


class KnownJob(NamedTuple):
    """A job with its id."""

    id: int
    job: Job

    def __hash__(self) -> int:
        return self.id


class Offer(NamedTuple):
    """Jobs that may be handed out."""

    held: Mapping[str, list[KnownJob]]
    """What sessions hold, by their keys."""
    left: Mapping[str, list[KnownJob]]
    """What is left to users, by their names."""
    free: Mapping[Walk, list[KnownJob]]
    """What is next on walks."""

    def without(self, jobs: Collection[int]) -> "Offer":
        """Return what is left of it when these jobs, by their ids, are done."""
        held, left = ({name: _without(jobs, known) for name, known in of.items()} for of in (self.held, self.left))
        return Offer(held, left, {walk: _without(jobs, known) for walk, known in self.free.items()})


def _without(jobs: Collection[int], known: list[KnownJob]) -> list[KnownJob]:
    return [one for one in known if one.id not in jobs]


class Facts(NamedTuple):
    """What answers are judged by, and jobs are handed out by."""

    by_key: dict[Key, Reading]
    standings: list[Standing]
    offer: Offer
    """Enough for all wishes, if there is, even when each answer ends one of the leases in it."""
    tallies: Mapping[str, Status]
    """Of all who answer and wish for something."""
    reasons: Sequence[Reason] = ()
    """What the office has said of reasons, if that was asked for."""
