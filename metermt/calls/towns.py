"""What the meters of a town have in common: learned from their histories, and as far as it is wanted again, kept."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import cast

from metermt.calls.desk import Desk
from metermt.calls.table import in_parts
from metermt.model import Meter
from metermt.rules.history import History, history_of
from metermt.rules.seasons import Season, season_of
from metermt.rules.town import Town, town_of
from metermt.store.base import Tx
from metermt.wire import from_text, to_text

_ENOUGH = 2000  # meters of a kind, drawn evenly, that tell how the town moves
_Histories = dict[str, History]
"""By the number of the meter."""


def towns_of(desk: Desk, cycle: str, opened: date, kinds: Collection[str]) -> tuple[dict[str, Town], _Histories]:
    """Return what the meters of some kinds have in common, and the histories that it was learned from."""
    towns: dict[str, Town] = {}
    known: _Histories = {}
    for kind, histories in _samples(desk, cycle, kinds).items():
        towns[kind] = town_of(histories.values(), opened, season_of(histories.values(), opened))
        known |= histories
    return towns, known


def histories_of(desk: Desk, cycle: str, meters: Iterable[Meter]) -> dict[str, History]:
    """Return the histories of meters, by number, without what was read in this cycle."""
    dials = {meter.number: meter.dials for meter in meters}
    reads = desk.store.read(lambda tx: tx.places.history(dials, but_not={cycle}))
    return {number: history_of(reads.get(number, ()), digits) for number, digits in dials.items()}


def keep_seasons(tx: Tx, cycle: str, towns: Mapping[str, Town]) -> None:
    """Keep how the kinds of meters in a cycle move through the year; what is known of other kinds stays.

    What could not be learned yet, as no year was read or imported, is not kept: it is learned when it is wanted.
    """
    kept = _kept(tx, cycle) | {kind: town.season for kind, town in towns.items() if town.season != Season()}
    tx.cycles.set_seasons(cycle, to_text(kept))


def seasons_of(desk: Desk, cycle: str, opened: date, kinds: Collection[str]) -> dict[str, Season]:
    """Return how the meters of some kinds move through the year: as it was kept for the cycle, or learned now.

    To learn it takes the histories of thousands of meters, most of a second.
    """
    seasons = desk.store.read(lambda tx: _kept(tx, cycle))
    unknown = set(kinds) - seasons.keys()
    if unknown:
        samples = _samples(desk, cycle, unknown)
        seasons |= {kind: season_of(histories.values(), opened) for kind, histories in samples.items()}
    return seasons


def _kept(tx: Tx, cycle: str) -> dict[str, Season]:
    text = tx.cycles.seasons().get(cycle)
    return cast(dict[str, Season], from_text(dict[str, Season], text)) if text else {}


def _samples(desk: Desk, cycle: str, wanted: Collection[str]) -> dict[str, _Histories]:
    """Return the histories of enough meters of each kind."""
    kinds: dict[str, list[Meter]] = {}
    for place in desk.store.read(lambda tx: tx.places.active()):
        if place.meter.kind in wanted:
            kinds.setdefault(place.meter.kind, []).append(place.meter)
    samples: dict[str, _Histories] = {}
    for kind, meters in kinds.items():
        samples[kind] = {}
        for part in in_parts(meters[:: max(len(meters) // _ENOUGH, 1)]):
            samples[kind] |= histories_of(desk, cycle, part)
    return samples
