"""A town whose readings are given to billing, for tests of what billing is told."""

from datetime import timedelta
from decimal import Decimal

import pytest
from conftest import CYCLE, NOW
from readers import as_office, open_with_past

from metermt.calls import batches, cycles, opening
from metermt.calls.batches import Batching, Lines
from metermt.calls.desk import Desk
from metermt.errors import DecisionError
from metermt.model import Role
from metermt.store.sql.batches import SqlBatches

NEXT_CYCLE = "2026-12"
DECEMBER = NOW + timedelta(days=25)


@pytest.fixture(params=["sqlite_store", "shared_postgres_store"])
def billing_town(request, clock, demo_accounts, hasher):
    """A desk with four meters that have a past, M3 with a multiplier, in an open cycle."""
    store = request.getfixturevalue(request.param)
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    desk = Desk(store, clock=clock)
    south = {"route": "South"}
    also = {"M2": south, "M3": {**south, "multiplier": Decimal(40)}}
    open_with_past(desk, dict.fromkeys(("M0", "M1", "M2", "M3"), 1_000), also=also)
    return desk


def export(desk, cycle=None, route=None, key=None):
    """Make a batch; return its lines as meter, cycle, kind, previous, value, use, billed use."""
    head = as_office(desk, batches.make_batch, Batching("csv", "", cycle, route, key), Role.SUPERVISOR)
    lines = as_office(desk, batches.batch_lines, Lines(head.number), Role.SUPERVISOR)
    assert [line.number for line in lines] == list(range(1, head.lines + 1))
    assert sum(line.billed_use or 0 for line in lines) == head.sum_billed_use
    return [
        (line.meter, line.cycle, line.kind.value, line.previous, line.value, line.registered_use, line.billed_use)
        for line in lines
    ]


def nothing_new(desk):
    try:
        export(desk)
    except DecisionError as error:
        return "There is nothing new for billing" in str(error)
    return False


def cut_off(desk, parts, cycle=None, key=None):
    """Begin to make a batch, in parts of one result, and die after so many of them, or before it is whole."""
    add, done = batches._add_part, []

    def die(*_):
        raise ConnectionError("the power failed")

    def add_or_die(*args):
        done.append(None)
        return add(*args) if len(done) <= parts else die()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_A_PART", 1)
        patch.setattr(batches, "_add_part", add_or_die)
        patch.setattr(SqlBatches, "finish", die)
        with pytest.raises(ConnectionError):
            export(desk, cycle, key=key)


def open_next(desk, clock):
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    clock.now = DECEMBER
    as_office(desk, opening.open_cycle, opening.Opening(NEXT_CYCLE))
