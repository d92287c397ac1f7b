"""How soon a reading is asked about, and what another setting would have done."""

import pytest
from conftest import CYCLE, NOW
from readers import Reader, as_office, open_with_past

from metermt.calls import limits, replay, settings
from metermt.calls.replay import Replay, Replayed
from metermt.calls.settings import Sensitivity
from metermt.decisions import Setting
from metermt.errors import ConfirmReading, RouteError, SettingError
from metermt.model import Role

ODD = 1_168  # of meters that showed 1,132 last: asked about as shipped, not by a sensitivity of 0.01


@pytest.fixture
def judging(desk_of_readers):
    """A desk with three meters that have a past, and an open cycle."""
    open_with_past(desk_of_readers, {"M0": 1_000, "M1": 1_000, "M2": 1_000})
    return desk_of_readers


def test_a_setting_takes_effect_where_limits_are_computed_anew(judging):
    carol = Reader(judging)
    as_office(judging, settings.set_sensitivity, Sensitivity(0.01))
    with pytest.raises(ConfirmReading):
        carol.submit("M1", ODD)
    as_office(judging, limits.renew_limits, limits.Renewal(CYCLE))
    carol.submit("M1", ODD)


def test_who_has_set_what_stays_on_record(judging):
    for value in (0.5, 2):
        as_office(judging, settings.set_sensitivity, Sensitivity(value))
    with pytest.raises(SettingError, match=r"Invalid sensitivity 0: use 0\.01 to 100"):
        as_office(judging, settings.set_sensitivity, Sensitivity(0))
    assert as_office(judging, settings.list_settings, role=Role.SUPERVISOR) == [
        Setting("sensitivity", "0.5", "", NOW),
        Setting("sensitivity", "2.0", "", NOW),
    ]


def test_the_past_is_judged_once_more_and_nothing_is_changed(judging):
    carol = Reader(judging)
    carol.submit("M0", 1_144)
    with pytest.raises(ConfirmReading):
        carol.submit("M1", ODD)
    carol.submit("M1", ODD)
    carol.submit("M1", 1_144)  # a correction
    carol.submit("M2", None, "dog")
    assert as_office(judging, replay.replay_limits, Replay(0.01)) == [Replayed(CYCLE, 2, 0, 0, 1, 1, 0)]
    assert as_office(judging, replay.replay_limits, Replay(100, [CYCLE])) == [Replayed(CYCLE, 2, 0, 2, 1, 1, 1)]
    assert as_office(judging, settings.list_settings) == []


def test_the_first_value_that_was_corrected_is_counted_as_a_number(judging):
    carol = Reader(judging)
    carol.submit("M1", 1_140)
    carol.submit("M1", 1_144)
    (told,) = as_office(judging, replay.replay_limits, Replay(1))
    assert [type(count) for count in (told.corrected, told.corrected_asked, told.corrected_would_be_asked)] == [int] * 3


def test_what_cannot_be_tried_is_told(judging):
    with pytest.raises(RouteError, match="There is no cycle '2020-01': only 2026-11"):
        as_office(judging, replay.replay_limits, Replay(1, ["2020-01"]))
    with pytest.raises(SettingError):
        as_office(judging, replay.replay_limits, Replay(-1))


def test_the_commands_show_set_and_try(invoke, tmp_path):
    (tmp_path / "meters.csv").write_text("meter,route\nW1,North\n")
    invoke("routes", "import", "meters.csv", "--cycle", CYCLE)
    assert invoke("limits", "show").stdout == "sensitivity 1, as shipped\n"
    assert invoke("limits", "set", "2").stdout == "The sensitivity is 2 for cycles that are opened from now on.\n"
    assert invoke("limits", "set", "0").stderr.startswith("Error: Invalid sensitivity 0: use 0.01 to 100")
    assert invoke("limits", "show").stdout.split()[-2:] == ["sensitivity", "2"]
    assert invoke("limits", "renew", CYCLE).stdout == "1 job has new limits.\n"
    assert invoke("limits", "replay", "--setting", "4").stdout == (
        "cycle    readings  asked  by 4  corrected  asked  by 4\n"
        "2026-11         0      0     0          0      0     0\n"
    )
