"""What a transaction gathers at once: the facts that answers are judged by, and jobs are handed out by."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from metermt.fieldnotes import Reason
from metermt.model import Job, Reading, Standing, Status, Walk

Key = tuple[str, str]
"""A user name and the key of a submission of that user."""


class KnownJob:
    """A job with its id.

    It may be made when it is first looked at: most jobs that are held are answered in the turn that has gathered them.
    """

    __slots__ = ("_job", "_make", "id")

    def __init__(self, job_id: int, make: Callable[[], Job]) -> None:
        self.id = job_id
        self._make = make
        self._job: Job | None = None

    @property
    def job(self) -> Job:
        """The job."""
        if self._job is None:
            self._job = self._make()
        return self._job

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KnownJob) and self.id == other.id

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
