"""Why there is no job for a reader."""

import pytest
from conftest import CYCLE, OTHER_CYCLE, import_jobs, make_jobs
from readers import Reader, as_office
from rpyc.core import consts
from scripted import ScriptedServer, answers_a_call_with

from metermt import MeterClient
from metermt.calls import cycles, left, routes
from metermt.calls.desk import Desk
from metermt.calls.left import Left
from metermt.errors import CallError
from metermt.manager import Manager


def why(reader):
    """Ask for a job in vain; return why there is none, and the words for it."""
    assert reader.meter() is None
    found = reader.ask(left.why_no_job)
    return found, found.in_words()


@pytest.fixture
def empty_desk(store, clock, demo_accounts, hasher):
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    return Desk(store, clock=clock)


def test_nothing_was_imported(empty_desk):
    carol = Reader(empty_desk)
    assert why(carol) == (Left(), "No routes have been imported.")
    as_office(empty_desk, routes.import_jobs, routes.Import(CYCLE, []))
    assert why(carol) == (Left(open_cycles=1), "No routes have been imported.")


def test_no_cycle_is_open(desk, carol):
    carol.submit("M00000")
    as_office(desk, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    assert why(carol) == (Left(closed_cycles=1), "No cycle is open.")


def test_all_jobs_are_done(desk, carol, adam):
    import_jobs(desk.store, OTHER_CYCLE, make_jobs(1, OTHER_CYCLE))
    for meter in carol.meters(5):
        carol.submit(meter)
    adam.submit(adam.meter())
    assert why(carol) == (Left(open_cycles=2, done=6, done_by_me=5), "All jobs are done.")
    assert why(adam)[0].tally_in_words() == "Jobs done: 1 by you, 6 by all readers, of 6."


def test_the_rest_is_with_other_readers(desk, carol, adam):
    eric = Reader(desk, "eric")
    carol.submit(carol.meter())
    adam.meters(3)
    eric.meters(1)
    assert why(carol) == (
        Left(open_cycles=1, done=1, others={"adam": 3, "eric": 1}, done_by_me=1),
        "4 jobs are left, all with other readers: 3 with adam, 1 with eric.",
    )


def test_the_last_one_is_with_another_reader(carol, adam):
    for meter in carol.meters(4):
        carol.submit(meter)
    adam.meter()
    assert why(carol)[1] == "1 job is left, with another reader: 1 with adam."


def test_the_rest_is_with_the_reader_by_another_login(desk, carol, adam):
    carol.meters(2)
    second = Reader(desk)
    second.submit_many([])
    adam.meters(3)
    found, words = why(second)
    assert found == Left(open_cycles=1, mine=2, others={"adam": 3})
    assert words == "5 jobs are left, all in other hands: 3 with adam, 2 with you by another login."
    adam.log_out()
    second.meters(3)
    third = Reader(desk)
    assert why(third)[1] == "5 jobs are left, all in your hands: 5 with you by another login."


@pytest.mark.parametrize("how", ["over", "ended"])
def test_there_are_jobs_again(carol, adam, clock, how):
    adam.meters(5)
    assert carol.meter() is None
    if how == "over":
        clock.move(hours=1)
    else:
        adam.log_out()
    found = carol.ask(left.why_no_job)
    assert (found.any_free, found.others, found.in_words()) == (True, {}, "There are jobs again: ask for one.")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (Left(done=7, done_by_me=6, mine=3, others={"adam": 45}), "Jobs done: 6 by you, 7 by all readers, of 55."),
        (Left(done=6, done_by_me=6, others={"adam": 1}), "Jobs done: 6 by you, 6 by all readers, of 7."),
        (Left(done=6, done_by_me=6), ""),
        (Left(), ""),
        (Left(done=6, done_by_me=5, any_free=True), ""),
    ],
    ids=["some with others", "all but one", "all by this reader", "nothing", "more to be handed out"],
)
def test_who_has_done_how_many_of_how_many_is_told_unless_it_is_clear(left, words):
    assert left.tally_in_words() == words


def test_a_large_crew_is_not_told_one_by_one():
    crew = Left(open_cycles=1, others={f"reader{number}": 10 - number for number in range(8)})
    assert crew.in_words() == (
        "52 jobs are left, all with other readers: 10 with reader0, 9 with reader1, 8 with reader2, 7 with reader3, "
        "6 with reader4, 12 with 3 more."
    )


def test_a_manager_tells_it_too(desk, carol, adam, clock):
    adam.meters(5)
    assert Manager(desk.store, clock=clock).why_no_job(carol.session_id).others == {"adam": 5}


# --- through a server


def test_a_client_is_told_why_there_is_no_job(server, connect, adam):
    client = connect(server)
    adam.meters(5)
    assert client.get_job() is None
    assert client.why_no_job() == Left(open_cycles=1, others={"adam": 5})


def test_a_server_that_is_too_old_to_tell_says_so():
    no_such = (("builtins", "AttributeError"), ("There is no such call",), (), "")
    with (
        ScriptedServer(answers_a_call_with(consts.MSG_EXCEPTION, no_such)) as server,
        MeterClient("127.0.0.1", server.port, timeout=5) as client,
        pytest.raises(CallError, match="does not know that call"),
    ):
        client.why_no_job()
