"""What a reader on a route can ask for, as methods, for whatever makes calls."""

from metermt.calls import finding, rounds
from metermt.calls.making import MakesCalls
from metermt.model import Job
from metermt.progress import RouteCounts
from metermt.stops import Found, OwnReading, Stop


class ReaderCalls(MakesCalls):
    """Finding one's way on a route. What each does stands in `metermt.calls`."""

    def skip_job(self, meter: str, cycle: str | None = None) -> None:
        """Leave a job for later, by the meter's number: it comes again when nothing else is left on its route.

        `cycle` is that of the job; without it, it is the one that this reader was handed last. Raises `UnknownMeter`,
        or `AlreadyRead` or `MeterLeased` if it is read, or somebody else's.
        """
        self.call(rounds.skip_job, rounds.Skipped(meter, cycle))

    def count_route(self, job: Job) -> RouteCounts:
        """Return how far the route of a job is, in the cycle of that job. Raises `RouteError`."""
        return self.call(finding.count_route, finding.RouteOf(job.cycle, job.route))

    def list_ahead(self, n: int = finding.MAX_FOUND) -> list[Stop]:
        """Return the first `n` jobs ahead, from 1 to 1,000: in the order of the walk, what was skipped last."""
        return self.call(finding.list_ahead, finding.Most(n))

    def find_meters(self, text: str) -> Found:
        """Find jobs of the open cycles by a part of the meter's number or of its address, whatever the case."""
        return self.call(finding.find_meters, finding.Sought(text))

    def my_readings(self, n: int = finding.MAX_FOUND) -> list[OwnReading]:
        """Return what this reader has read last in the open cycles, newest first: up to `n`, from 1 to 1,000.

        To correct one, submit another answer for its meter and its cycle.
        """
        return self.call(finding.my_readings, finding.Most(n))
