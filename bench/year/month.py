"""A month of the utility: a cycle is opened, read, reviewed, given to billing, and closed."""

import threading
import time
from dataclasses import dataclass, field
from datetime import date, timedelta

from bench.year.clock import Clock
from bench.year.crew import PATIENCE, Crew, Half
from bench.year.figures import DAYS
from bench.year.office import Office
from bench.year.readers import Habits, Said
from bench.year.servers import Servers
from bench.year.town import at, cycle_of, month_of
from metermt.billing import BatchHead, BillingLine
from metermt.calls.places import Past, Places, Shown, import_history, import_places
from metermt.progress import RouteCounts
from metermt.report import Hint

_AT_ONCE = 20_000  # objects in one call of the import
_BREAKS = 3  # the day, from 0, on whose afternoon the device of who is offline breaks, in one month of three


@dataclass(slots=True)
class Month:
    """What a month has left behind."""

    cycle: str
    servers: int
    said: list[Said] = field(default_factory=list)
    batches: list[tuple[BatchHead, list[BillingLine]]] = field(default_factory=list)
    rereads: int = 0
    missing: int = 0
    held_back: int = 0
    hints: list[Hint] = field(default_factory=list)
    seconds: float = 0.0


class Utility:
    """The town, its readers, its office and its servers, month after month."""

    def __init__(self, habits: Habits, crew: Crew, servers: Servers, clock: Clock, most_servers: int) -> None:
        self.habits, self.town = habits, habits.town
        self._crew, self._servers, self._clock, self._most = crew, servers, clock, most_servers
        self._set(month_of(1) - timedelta(days=1), 8)
        servers.let_there_be(1)
        self.office = Office(habits, clock, servers.addresses, 3 * PATIENCE)
        self._import()

    def play(self, month: int) -> Month:
        """Play a month, from 1."""
        started, cycle = time.monotonic(), cycle_of(month)
        self._servers.let_there_be(self._most if month % 2 == 0 else 1)
        self._set(month_of(month) + timedelta(days=5), 6)
        self._morning()
        office = self.office
        happened = Month(cycle, len(self._servers.addresses))
        self._tell_swaps(month, "before")
        office.client.open_cycle(cycle, due=month_of(month) + timedelta(days=6 + DAYS))
        self._tell_swaps(month, "during")
        self._give_routes(month)
        self._read(month, happened)
        if _in_export(month):
            self._export_and_kill(happened)
        else:
            self._export(happened)
        happened.missing = office.estimate_missing(cycle)
        self._send_late(happened)
        office.review(cycle, month, again=False)
        office.tell_late(month)
        self._export(happened)
        happened.held_back = office.held_back()
        office.client.close_cycle(cycle, force=True)
        happened.hints = office.hints(month)
        happened.seconds = time.monotonic() - started
        return happened

    def _read(self, month: int, happened: Month) -> None:
        for number in range(DAYS):
            day = month_of(month) + timedelta(days=7 + number)
            kill = number == 1 and not _in_export(month)
            self._work(Half(self._servers.addresses, happened.cycle, month, day, False), happened, kill=kill)
            sends = month % 3 != 2 or number != _BREAKS
            self._work(Half(self._servers.addresses, happened.cycle, month, day, True, sends), happened)
            self._set(day, 20)
            self._morning()
            rereads = self.office.review(happened.cycle, month, again=number < DAYS - 1)
            happened.rereads += rereads
            left = sum(route.left + route.skipped for route in self._routes(happened.cycle))
            if not left and not rereads:
                break

    def _routes(self, cycle: str) -> list[RouteCounts]:
        return next(one.routes for one in self.office.client.list_cycles() if one.cycle == cycle)

    def _work(self, half: Half, happened: Month, *, kill: bool = False) -> None:
        """Have all work for half a day; with `kill` a server is killed while they send."""
        self._clock.set(half.ends)
        enough = self._crew.sent + self.town.size.meters // 24
        self._crew.begin(half)
        while kill and self._crew.sent < enough and not self._crew.is_done:
            time.sleep(0.005)
        if kill:
            self._servers.kill_one()
        happened.said += self._crew.said()

    def _send_late(self, happened: Month) -> None:
        self._crew.begin(self._servers.addresses)
        happened.said += self._crew.said()

    def _export(self, happened: Month) -> None:
        head = self.office.export()
        if head:
            happened.batches.append((head, self.office.lines(head)))

    def _export_and_kill(self, happened: Month) -> None:
        """Give billing what is settled, and kill a server before that is over, as far as it takes that long."""
        killer = threading.Timer(self.town.size.meters / 20_000, self._servers.kill_one)
        killer.start()
        try:
            self._export(happened)
        finally:
            killer.join()

    def _tell_swaps(self, month: int, told: str) -> None:
        self.office.tell_swaps([one for one in self.town.swaps(month) if one[1].told == told])

    def _give_routes(self, month: int) -> None:
        """Give each route to another reader than the month before."""
        client, names = self.office.client, self.habits.names
        for given in client.list_assignments():
            client.unassign_route(given.route, [given.username])
        for number in range(len(names)):
            client.assign_route(self.town.route(number), [names[(number + month) % len(names)]])

    def _import(self) -> None:
        client, town = self.office.client, self.town
        stops = town.stops()
        for start in range(0, len(stops), _AT_ONCE):
            client.call(import_places, Places(stops[start : start + _AT_ONCE]))
        for month in range(1 - town.size.past, 1):
            shown = []
            for place in town.places:
                when = town.read_before(place.number, month)
                shown.append(Shown(place.meter, when.date(), place.shows(when)))
            for start in range(0, len(shown), _AT_ONCE):
                wrong = [error for error in client.call(import_history, Past(shown[start : start + _AT_ONCE])) if error]
                if wrong:
                    raise wrong[0]

    def _morning(self) -> None:
        self.office.client.close()
        self.office.log_in(self._servers.addresses)

    def _set(self, day: date, hour: float) -> None:
        self._clock.set(at(day, hour))


def _in_export(month: int) -> bool:
    """Tell whether the server is killed while a batch is made in a month, and not while readers send."""
    return month % 3 == 0
