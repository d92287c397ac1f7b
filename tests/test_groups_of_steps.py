"""A transaction is small groups of steps, each about one thing: DESIGN.md, "A transaction is a value"."""

from dataclasses import fields

import pytest

from metermt.store import base

MOST = 10
GROUPS = [field.name for field in fields(base.Tx) if field.name != "changes"]


def steps_of(group):
    """Return the steps of a group; its class is named like it."""
    return [step for step in vars(getattr(base, group.title())) if not step.startswith("_")]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_ten_steps_at_most(group):
    steps = steps_of(group)
    assert 1 <= len(steps) <= MOST, f"tx.{group} has {len(steps)}: is there another idea in it? {steps}"
