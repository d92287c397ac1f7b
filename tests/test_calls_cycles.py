"""Which cycle a reading is for, when there are several."""

import pytest
from conftest import CYCLE, OTHER_CYCLE, dump, import_jobs, make_job, make_jobs
from readers import WHEN, Reader, as_office, readings_in

from metermt.calls import cycles, readings, rounds, routes
from metermt.calls.readings import Next
from metermt.errors import AlreadyRead, CycleClosed, InvalidKey, RouteError, UnknownCycle, UnknownMeter
from metermt.model import Answer, Status
from metermt.store.steps.rounds import LOOKS_BACK

CLOSED = f"^Cycle {CYCLE} is closed: meter M00000 is not read for it any more; ask for another job$"


def open_next(desk):
    """Import the next cycle beside those that are open."""
    import_jobs(desk.store, OTHER_CYCLE, make_jobs(5, OTHER_CYCLE))


def turn_over(desk):
    """Close the cycle and import the next, as the office does at the end of a month."""
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    open_next(desk)


def kept(desk):
    return [(one.cycle, one.answer.value, one.username, one.counts) for one in readings_in(desk.store)]


# --- two open cycles


@pytest.mark.parametrize("cycle", [CYCLE, None], ids=["named", "not named"])
def test_a_correction_stays_in_the_cycle_of_the_reading(desk, carol, cycle):
    open_next(desk)
    meter = carol.meter()
    carol.submit(meter, 5, cycle=cycle)
    carol.submit(meter, 6, cycle=cycle)
    assert kept(desk) == [(CYCLE, 5, "carol", False), (CYCLE, 6, "carol", True)]
    assert carol.status() == Status(1, 1)


def test_without_a_job_in_hand_the_first_reading_is_for_the_oldest_cycle_and_the_next_ones_correct_it(desk, carol):
    open_next(desk)
    for value in (1, 2, 3):
        carol.submit("M00004", value)
    assert [(cycle, value) for cycle, value, *_ in kept(desk)] == [(CYCLE, 1), (CYCLE, 2), (CYCLE, 3)]


def test_a_reading_is_for_the_cycle_that_it_names(desk, carol, adam):
    open_next(desk)
    adam.meter()
    carol.submit("M00000", 2, cycle=OTHER_CYCLE)
    adam.submit("M00000", 1)
    assert kept(desk) == [(CYCLE, 1, "adam", True), (OTHER_CYCLE, 2, "carol", True)]
    with pytest.raises(AlreadyRead):
        carol.submit("M00000", 2, cycle=CYCLE)


def test_many_readings_of_one_meter_are_each_for_their_cycle(desk, carol):
    open_next(desk)
    answers = [
        Answer("M00000", 2, cycle=OTHER_CYCLE),
        Answer("M00000", 1, cycle=CYCLE),
        Answer("M00000", 3, cycle="2026-13"),
        Answer("M00000", 4, cycle=OTHER_CYCLE),
    ]
    assert [type(outcome) for outcome in carol.submit_many(answers)] == [
        type(None),
        type(None),
        UnknownCycle,
        type(None),
    ]
    assert kept(desk) == [
        (CYCLE, 1, "carol", True),
        (OTHER_CYCLE, 2, "carol", False),
        (OTHER_CYCLE, 4, "carol", True),
    ]


def test_a_lease_that_has_ended_still_says_which_cycle_is_meant(desk, carol, adam, clock):
    jobs = carol.ask(rounds.get_jobs, rounds.JobsWanted(5))
    clock.move(hours=1)
    adam.meter()  # which ends what is over
    open_next(desk)
    carol.submit(jobs[3].meter.number, 5)
    assert kept(desk) == [(CYCLE, 5, "carol", True)]


def test_a_cycle_that_there_is_not_is_told_with_those_that_there_are(desk, carol):
    open_next(desk)
    with pytest.raises(UnknownMeter, match=f"^There is no cycle '2026-13': there are {CYCLE}, {OTHER_CYCLE}$"):
        carol.submit("M00000", 5, cycle="2026-13")
    with pytest.raises(UnknownMeter, match=f"^Unknown meter 'X1' in cycle '{CYCLE}': check the number"):
        carol.submit("X1", 5, cycle=CYCLE)
    assert kept(desk) == []


# --- a closed cycle


@pytest.mark.parametrize("cycle", [CYCLE, None], ids=["named", "not named"])
@pytest.mark.parametrize("call", ["submit_reading", "submit_and_next", "submit_readings"])
def test_a_reading_for_a_closed_cycle_is_refused_by_its_name_and_never_filed_elsewhere(desk, carol, call, cycle):
    meter = carol.meter()
    turn_over(desk)
    before = dump(desk.store)
    answer = Answer(meter, 5, cycle=cycle)
    if call == "submit_readings":
        (refusal,) = carol.submit_many([answer])
    else:
        with pytest.raises(CycleClosed, match=CLOSED) as caught:
            carol.ask(getattr(readings, call), answer)
        refusal = caught.value
    assert (type(refusal), refusal.details) == (CycleClosed, {"cycle": CYCLE})
    assert dump(desk.store) == before


@pytest.mark.parametrize("cycle", [CYCLE, None], ids=["named", "not named"])
def test_a_job_of_a_closed_cycle_is_not_skipped_and_neither_is_that_of_the_next_one(desk, carol, cycle):
    carol.meter()
    turn_over(desk)
    with pytest.raises(CycleClosed, match=CLOSED):
        carol.ask(rounds.skip_job, rounds.Skipped("M00000", cycle))
    assert carol.meter() == "M00000"


def test_who_skips_a_job_that_was_removed_is_told_that_its_cycle_has_no_such_meter(desk, carol):
    as_office(desk, routes.remove_jobs, routes.Removal(CYCLE, [carol.meter()]))
    with pytest.raises(UnknownMeter, match=f"^Unknown meter 'M00000' in cycle '{CYCLE}': check the number"):
        carol.ask(rounds.skip_job, rounds.Skipped("M00000", CYCLE))


def test_so_it_is_after_the_lease_and_by_another_session(desk, carol, adam, clock):
    carol.meters(2)
    clock.move(hours=1)
    adam.meters(1)
    turn_over(desk)
    for reader in (carol, Reader(desk)):
        with pytest.raises(CycleClosed):
            reader.submit("M00001")
    assert kept(desk) == []


def test_a_correction_of_a_closed_cycle_is_refused(desk, carol):
    carol.submit(carol.meter(), 5)
    turn_over(desk)
    with pytest.raises(CycleClosed, match=CLOSED):
        carol.submit("M00000", 6)
    assert kept(desk) == [(CYCLE, 5, "carol", True)]


def test_without_a_next_cycle_it_is_refused_as_well(desk, carol):
    carol.meter()
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    with pytest.raises(CycleClosed, match=CLOSED):
        carol.submit("M00000")
    assert carol.meter() is None


def test_a_meter_that_nobody_was_handed_and_only_a_closed_cycle_has_is_not_called_unknown(desk, carol):
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    with pytest.raises(CycleClosed, match=CLOSED):
        carol.submit("M00000", 5)
    with pytest.raises(UnknownMeter, match="Unknown meter 'M9'"):
        carol.submit("M9", 5)


def test_a_cycle_that_there_is_not_is_refused_by_its_name(desk, carol):
    with pytest.raises(UnknownCycle, match=f"^There is no cycle '2031-13': only {CYCLE}$"):
        carol.submit("M00000", 5, cycle="2031-13")
    with pytest.raises(UnknownCycle, match=r"^Invalid cycle 5: give that of the job, like 2026-11$"):
        carol.submit("M00000", 5, cycle=5)
    assert kept(desk) == []


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_what_is_read_for_a_cycle_that_was_removed_is_refused_by_its_name(desk, carol, closed):
    jobs = carol.ask(rounds.get_jobs, rounds.JobsWanted(2))
    before = dump(desk.store)
    open_next(desk)
    carol.ask(rounds.get_jobs, rounds.JobsWanted(9))
    if closed:
        as_office(desk, cycles.close_cycle, cycles.Closing(OTHER_CYCLE, force=True))
    assert as_office(desk, cycles.remove_cycle, cycles.Cycle(OTHER_CYCLE)) == 5
    with pytest.raises(UnknownCycle, match=f"^There is no cycle '{OTHER_CYCLE}': only {CYCLE}$"):
        carol.submit("M00000", 5, cycle=OTHER_CYCLE)
    assert [one["cycles"] for one in (dump(desk.store), before)] == [{CYCLE: True}] * 2
    assert kept(desk) == []
    assert carol.meter() == jobs[0].meter.number
    as_office(desk, cycles.remove_cycle, cycles.Cycle(CYCLE))
    with pytest.raises(UnknownCycle, match=f"^There is no cycle '{CYCLE}' any more: ask for another job$"):
        carol.submit("M00000", 5, cycle=CYCLE)
    assert carol.meter() is None


def test_a_cycle_that_was_read_in_is_not_removed(desk, carol):
    carol.submit("M00000", 5)
    carol.submit("M00001", None, "dog")
    carol.meter()
    before = dump(desk.store)
    words = rf"^Cycle {CYCLE} stays, as 2 meters have readings in it \(1 read, 1 without access\): one that is over is"
    with pytest.raises(RouteError, match=words):
        as_office(desk, cycles.remove_cycle, cycles.Cycle(CYCLE))
    assert dump(desk.store) == before


def test_whoever_is_handed_the_meter_again_reads_it_for_the_next_cycle(desk, carol):
    carol.submit(carol.meter(), 5)
    turn_over(desk)
    assert carol.meter() == "M00000"
    assert carol.submit_and_next("M00000", 6) == Next(Status(1, 1), make_jobs(2, OTHER_CYCLE)[1])
    with pytest.raises(CycleClosed):
        carol.submit("M00000", 7, cycle=CYCLE)
    assert kept(desk) == [(CYCLE, 5, "carol", True), (OTHER_CYCLE, 6, "carol", True)]


def test_whoever_reads_meters_without_being_handed_them_goes_on_in_the_next_cycle(desk, carol, adam):
    adam.meter()
    carol.submit("M00001", 1)
    turn_over(desk)
    assert carol.submit_many([Answer("M00000", 2), Answer("M00001", 3)]) == [None, None]
    assert [(cycle, value) for cycle, value, *_ in kept(desk)] == [(CYCLE, 1), (OTHER_CYCLE, 2), (OTHER_CYCLE, 3)]


def test_the_latest_of_several_closed_cycles_is_told(desk, carol):
    carol.meter()
    turn_over(desk)
    carol.meter()
    as_office(desk, cycles.close_cycle, cycles.Closing(OTHER_CYCLE, force=True))
    with pytest.raises(CycleClosed, match=f"Cycle {OTHER_CYCLE} is closed"):
        carol.submit("M00000")
    with pytest.raises(CycleClosed, match=f"Cycle {CYCLE} is closed"):
        carol.submit("M00000", cycle=CYCLE)


def test_what_was_handed_out_long_ago_binds_nobody(desk, carol):
    carol.meter()
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    for month in range(1, LOOKS_BACK + 1):
        with pytest.raises(CycleClosed):
            carol.submit("M00000")
        import_jobs(desk.store, f"2027-{month:02}", [make_job("W1", f"2027-{month:02}")])
        as_office(desk, cycles.close_cycle, cycles.Closing(f"2027-{month:02}", force=True))
    import_jobs(desk.store, "2028-01", make_jobs(1, "2028-01"))
    carol.submit("M00000")
    assert [cycle for cycle, *_ in kept(desk)] == ["2028-01"]


# --- keys


@pytest.mark.parametrize("again", [CYCLE, None], ids=["named", "not named"])
@pytest.mark.parametrize("first", [CYCLE, None], ids=["first named", "first not named"])
def test_a_key_sent_again_stays_good_when_the_cycle_is_closed(desk, carol, first, again):
    carol.submit(carol.meter(), key="key-1", cycle=first)
    for _ in range(2):
        assert carol.submit("M00000", key="key-1", cycle=again) is None
        if desk.store.read(lambda tx: tx.cycles.all())[CYCLE]:
            turn_over(desk)
    assert kept(desk) == [(CYCLE, 5, "carol", True)]


def test_a_key_of_one_cycle_is_not_good_for_another(desk, carol):
    open_next(desk)
    carol.submit("M00000", key="key-1", cycle=CYCLE)
    with pytest.raises(InvalidKey):
        carol.submit("M00000", key="key-1", cycle=OTHER_CYCLE)
    assert len(kept(desk)) == 1


# --- through a server


def test_a_client_of_ours_sends_the_cycle_of_each_job(server, connect, desk):
    carol = connect(server)
    november = carol.get_jobs(5)
    turn_over(desk)
    late = [Answer(job.meter.number, 5, when=WHEN, cycle=job.cycle) for job in november]
    assert [type(outcome) for outcome in carol.submit_readings(late[1:])] == [CycleClosed] * 4
    with pytest.raises(CycleClosed, match=CLOSED) as caught:
        carol.submit_and_next(late[0])
    assert caught.value.details == {"cycle": CYCLE}
    with pytest.raises(CycleClosed, match=CLOSED):
        carol.submit_reading("M00000", 5, when=WHEN, cycle=CYCLE)
    carol.submit_reading("M00000", 6, when=WHEN, cycle=OTHER_CYCLE)
    job = carol.get_job()
    assert (job.meter.number, job.cycle) == ("M00001", OTHER_CYCLE)
    assert kept(desk) == [(OTHER_CYCLE, 6, "carol", True)]


def test_a_plain_client_with_the_four_calls_is_told_which_cycle_is_closed(server, plain, desk):
    root = plain(server).root
    session, _ = root.login("carol", "carol")
    meter = root.get_job(session)
    turn_over(desk)
    with pytest.raises(Exception, match="Cycle 2026-11 is closed") as caught:
        root.submit_reading(session, meter, WHEN, 5)
    assert caught.value.code == "cycle-closed"
    assert root.get_job(session) == meter
    root.submit_reading(session, meter, WHEN, 6)
    assert [(cycle, value) for cycle, value, *_ in kept(desk)] == [(OTHER_CYCLE, 6)]
