"""What readers may be handed, in the store in memory."""

from collections import Counter
from collections.abc import Iterable, Mapping

from metermt.model import JobState, Standing, Walk
from metermt.rules.finding import is_meant
from metermt.store.gathered import KnownJob
from metermt.store.memory.tables import Tables, found_in
from metermt.store.steps.rounds import LOOKS_BACK, Rounds

_FIRST = (-1, "")  # before all sequences and meters of a route


class MemoryRounds(Rounds):
    """The jobs of open cycles."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def standings(self, meters: Iterable[str]) -> list[Standing]:
        asked = list(meters)
        return [
            self._standing(job_id)
            for _, cycle in self._tables.open_cycles()
            for job_id in found_in(cycle.ids, asked).values()
        ]

    def closed_hands(self, meters: Iterable[str]) -> dict[tuple[str, str], str]:
        asked, handed_to = list(meters), self._tables.handed_to
        closed = [(name, cycle) for name, cycle in sorted(self._tables.cycles.items()) if not cycle.is_open]
        latest: dict[tuple[str, str], str] = {}
        for name, cycle in closed[-LOOKS_BACK:]:
            for meter, job_id in found_in(cycle.ids, asked).items():
                latest[meter, handed_to.get(job_id, "")] = latest[meter, ""] = name
        return latest

    def free(self, most: Mapping[Walk, int]) -> dict[Walk, list[KnownJob]]:
        return {walk: list(map(self._tables.known_job, self._free(walk, number))) for walk, number in most.items()}

    def routes_left(self, most: int) -> dict[str, int]:  # noqa: ARG002 - it need not go through jobs to count them
        left: Counter[str] = Counter()
        for name, cycle in self._tables.open_cycles():
            first = cycle.free.first_from((name, "", *_FIRST))
            while first:
                route = first[1]
                following = (name, f"{route}\0", *_FIRST)  # no other text is between the two
                left[route] += cycle.free.number_between((name, route, *_FIRST), following)
                first = cycle.free.first_from(following)
        return dict(left)

    def search(self, text: str, most: int, route: str | None = None) -> list[KnownJob]:
        tables = self._tables
        known = [tables.known_job(id_) for _, cycle in tables.open_cycles() for _, id_ in cycle.ids.items()]
        meant = [one for one in known if route in (None, one.job.route) and is_meant(text, one.job)]
        return sorted(meant, key=lambda one: one.job.place)[:most]

    def skip(self, jobs: Iterable[int]) -> None:
        for job_id in jobs:
            self._tables.end_lease(job_id)
            self._tables.undo.put(self._tables.skipped, job_id, None)

    def _free(self, walk: Walk, most: int) -> list[int]:
        """Return the ids of the next jobs on a walk that are leased to nobody, those that were skipped last."""
        ahead: list[int] = []
        skipped: list[int] = []
        for name, cycle in self._tables.open_cycles()[:: -1 if walk.reverse else 1]:
            ends = (name, walk.route, *_FIRST), (name, f"{walk.route}\0", *_FIRST)
            for *_, meter in cycle.free.between(*ends, reverse=walk.reverse):
                job_id = cycle.ids[meter]
                (skipped if job_id in self._tables.skipped else ahead).append(job_id)
                if len(ahead) == most:
                    return ahead
        return (ahead + skipped)[:most]

    def _standing(self, job_id: int) -> Standing:
        job, lease = self._tables.jobs[job_id], self._tables.leases.get(job_id)
        reading = self._tables.cycles[job.cycle].readings[job.meter.number]
        return Standing(
            job=job_id,
            meter=job.meter.number,
            cycle=job.cycle,
            dials=job.meter.dials,
            state=JobState.DONE if reading else JobState.SKIPPED if job_id in self._tables.skipped else JobState.OPEN,
            read_by=reading.username if reading else None,
            leased_to=lease.username if lease else None,
            leased_until=lease.until if lease else 0.0,
            handed_to=self._tables.handed_to.get(job_id),
            limits=self._tables.limits.get(job_id),
            look=self._tables.looks.get(job_id),
            value=reading.answer.value if reading else None,
            reason=reading.answer.reason if reading else "",
        )
