"""What the office sets for readings: how soon one is asked about."""

from dataclasses import dataclass

from metermt.audit import What
from metermt.calls.asking import Ask, Weight
from metermt.calls.table import call
from metermt.calls.turn import Turn
from metermt.decisions import Setting
from metermt.model import Role
from metermt.rules.limits import SENSITIVITY, check_sensitivity
from metermt.store.base import Tx

_NAME = "sensitivity"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How soon a reading is asked about: see `metermt.rules.limits`."""

    sensitivity: float


@call(Role.ADMIN, Weight.WRITE)
def set_sensitivity(turn: Turn, ask: Ask[Sensitivity]) -> None:
    """Have readings asked about sooner, or later, in cycles that are opened or renewed from now on.

    Who has set it and when stays on record. Raises `SettingError`.
    """
    value = check_sensitivity(ask.request.sensitivity)
    turn.record(ask, What.SETTING, _NAME, before=sensitivity_of(turn.tx), after=float(value))
    turn.tx.settings.add(Setting(_NAME, repr(float(value)), ask.username, turn.moment))


@call(Role.SUPERVISOR, Weight.READ)
def list_settings(turn: Turn, ask: Ask[None]) -> list[Setting]:  # noqa: ARG001 - it is told nothing
    """Return what was ever set, oldest first."""
    return turn.tx.settings.all()


def sensitivity_of(tx: Tx) -> float:
    """Return the sensitivity that is in force."""
    values = [float(setting.value) for setting in tx.settings.all() if setting.name == _NAME]
    return values[-1] if values else SENSITIVITY
