"""A reading that is odd is looked at twice before it is taken."""

from datetime import date, datetime, time, timedelta

import pytest
from conftest import CYCLE, dump, make_place
from readers import WHEN, Reader, as_office, open_with_past, readings_in
from servers import listening

from metermt.calls import finding, limits, opening, places, readings, rounds
from metermt.calls.desk import Desk
from metermt.calls.places import Past, Shown
from metermt.client.client import MeterClient
from metermt.errors import ConfirmReading, InvalidKey, InvalidReading, InvalidTime
from metermt.model import Answer, Status
from metermt.policy import Policy
from metermt.quality import Flag, Quality

ODD, GOOD = 87_712, 2_144
"""Values of a meter that showed 2,132 three weeks ago, and uses some 12 a month."""
ASKED = f"^Reading {ODD} for meter M00001 is high: look again and send it again$"


@pytest.fixture
def judging(desk_of_readers):
    """A desk whose meters have a past."""
    meters = {f"M{n:05}": 1000 * (n + 1) - 12 for n in range(3)}
    open_with_past(desk_of_readers, meters, first=date(2025, 10, 31), months=13)
    return desk_of_readers


@pytest.fixture
def reader(judging):
    return Reader(judging)


def kept(desk):
    return [(one.answer.value, one.quality, one.flags, one.counts) for one in readings_in(desk.store)]


VERIFIED = (ODD, Quality.VERIFIED, (Flag.HIGH,), True)


def test_a_good_reading_is_taken_at_once(judging, reader):
    reader.submit("M00001", GOOD)
    assert kept(judging) == [(GOOD, Quality.ACTUAL, (), True)]


def test_what_is_expected_is_shown_only_where_that_is_wanted(judging, clock):
    assert Reader(judging).ask(rounds.next_job).expected == ""
    adam = Reader(Desk(judging.store, Policy(shows_expected=True), clock=clock), "adam")
    shown = "Last reading 3132 on 2026-10-26; 3132 to 3150 is usual by now"
    assert adam.ask(rounds.next_job).expected == shown
    (stop,) = adam.ask(finding.find_meters, finding.Sought("M00002")).stops
    assert stop.job.expected == shown


def test_the_same_odd_value_again_is_verified(judging, reader):
    before = dump(judging.store)["readings"]
    with pytest.raises(ConfirmReading, match=ASKED) as asked:
        reader.submit("M00001", ODD, key="first")
    assert asked.value.details["flags"] == "high"
    assert dump(judging.store)["readings"] == before
    assert reader.status() == Status(0, 0)
    reader.submit("M00001", ODD, key="second")
    assert kept(judging) == [VERIFIED]
    assert reader.status() == Status(1, 1)


def test_what_may_lie_behind_an_odd_value_is_told_to_clients(judging):
    with listening(judging) as server, MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        with pytest.raises(ConfirmReading) as asked:
            client.submit_reading("M00001", 2_414, when=WHEN)
        client.submit_reading("M00001", GOOD, when=WHEN)
    assert asked.value.details == {"flags": "high", "cause": "swapped"}


def test_another_value_is_judged_afresh(judging, reader):
    for odd in (ODD, ODD + 1):
        with pytest.raises(ConfirmReading):
            reader.submit("M00001", odd)
    reader.submit("M00001", GOOD)
    with pytest.raises(ConfirmReading):  # a correction, and not the value that was asked about last
        reader.submit("M00001", ODD + 1)
    assert kept(judging) == [(GOOD, Quality.ACTUAL, (), True)]


def test_the_same_key_again_is_a_retry_and_no_second_look(judging, reader):
    for _ in range(3):
        with pytest.raises(ConfirmReading, match=ASKED):
            reader.submit("M00001", ODD, key="first")
    assert kept(judging) == []


def test_a_retry_of_what_was_verified_counts_once(judging, reader):
    with pytest.raises(ConfirmReading):
        reader.submit("M00001", ODD, key="first")
    for _ in range(2):
        reader.submit("M00001", ODD, key="second")
    with pytest.raises(InvalidKey):
        reader.submit("M00001", GOOD, key="second")
    assert kept(judging) == [VERIFIED]


def test_a_program_without_keys_sends_it_twice(judging, reader):
    with pytest.raises(ConfirmReading):
        reader.submit("M00001", ODD)
    reader.submit("M00001", ODD)
    assert kept(judging) == [VERIFIED]


def test_what_was_asked_is_known_to_another_server_and_of_that_reader_only(judging, reader):
    other_desk = type(judging)(judging.store, clock=judging.clock, server="there")
    with pytest.raises(ConfirmReading):
        reader.submit("M00001", ODD)
    with pytest.raises(ConfirmReading):
        Reader(other_desk, "adam").submit("M00001", ODD)
    with pytest.raises(ConfirmReading):  # adam was asked last
        reader.submit("M00001", ODD)
    reader.at(other_desk).submit("M00001", ODD)
    assert kept(judging) == [VERIFIED]


def test_a_reason_ends_what_was_asked(judging, reader):
    with pytest.raises(ConfirmReading):
        reader.submit("M00001", ODD)
    reader.submit("M00001", None, "display faulty")
    with pytest.raises(ConfirmReading):
        reader.submit("M00001", ODD)
    assert kept(judging) == [(None, Quality.ACTUAL, (), True)]


def test_many_at_once_are_judged_one_after_the_other(judging, reader):
    outcomes = reader.submit_many(
        [
            Answer("M00000", 1_144, key="a"),
            Answer("M00001", ODD, key="b"),
            Answer("M00001", ODD, key="c"),
            Answer("M00002", ODD, key="d", verified=True),
            Answer("M00002", 3_144, key="e", verified="yes"),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ConfirmReading, *[type(None)] * 2, InvalidReading]
    assert [(value, quality) for value, quality, *_ in kept(judging)] == [(1_144, "A"), (ODD, "V"), (ODD, "V")]


def test_whoever_is_asked_gets_no_next_job(judging, reader):
    meter = reader.meter()
    with pytest.raises(ConfirmReading):
        reader.submit_and_next(meter, ODD)
    assert reader.meter() == meter
    assert reader.submit_and_next(meter, ODD).status == Status(1, 1)


@pytest.mark.parametrize(("meter", "first_good"), [("NEW", date(2026, 10, 22)), ("M00001", date(2026, 10, 26))])
def test_a_reading_from_long_before_its_cycle_or_before_the_last_one_is_refused(judging, reader, meter, first_good):
    as_office(judging, places.import_places, places.Places([make_place("NEW")]))
    as_office(judging, opening.open_cycle, opening.Opening(CYCLE))
    midnight = datetime.combine(first_good, time()).astimezone()
    with pytest.raises(InvalidTime, match="check the clock of your device"):
        reader.submit(meter, GOOD, when=midnight - timedelta(seconds=1))
    assert kept(judging) == []
    reader.submit(meter, 2_132, when=midnight)  # as much as it showed on that day


def test_a_meter_without_a_past_is_taken_and_flagged(judging, reader):
    as_office(judging, places.import_places, places.Places([make_place("NEW")]))
    assert as_office(judging, opening.open_cycle, opening.Opening(CYCLE)) == opening.Opened(1, 3, 1)
    reader.submit("NEW", 5)
    assert kept(judging) == [(5, Quality.ACTUAL, (Flag.NO_HISTORY,), True)]


def test_an_open_cycle_is_judged_by_what_is_imported_later(judging, reader):
    as_office(judging, places.import_places, places.Places([make_place("NEW", sequence=9)]))
    as_office(judging, opening.open_cycle, opening.Opening(CYCLE))
    past = [Shown("NEW", date(2026, month, 1), 100 + 10 * month) for month in range(1, 12)]
    as_office(judging, places.import_history, Past(past))
    assert as_office(judging, limits.renew_limits, limits.Renewal(CYCLE)) == limits.Renewed(4, 0, 0, [])
    with pytest.raises(ConfirmReading):
        reader.submit("NEW", 5_000)
    reader.submit("NEW", 217)


def test_every_way_to_send_a_reading_asks(judging, reader):
    with pytest.raises(ConfirmReading):
        reader.submit("M00001", ODD)
    with pytest.raises(ConfirmReading):
        reader.submit_and_next("M00002", ODD)
    (error,) = reader.submit_many([Answer("M00000", ODD)])
    assert isinstance(error, ConfirmReading)
    assert set(readings.submit_readings.result.__args__) == {readings.Error | None}
