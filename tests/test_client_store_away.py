"""`MeterClient` and servers whose database is out of reach: it asks again, and what it sends counts once."""

from contextlib import ExitStack

import pytest
from clients import ends_after, read_in
from conftest import DEADLINE, WHEN, make_answer, make_jobs, start, wait_until
from servers import AwayStore, fill, listening

from metermt import MeterClient
from metermt.calls.desk import Desk
from metermt.errors import StoreAway
from metermt.model import Status


@pytest.fixture
def away(demo_accounts):
    """A store with the demo's users and 20 meters, which can be reached so far."""
    return fill(AwayStore(), demo_accounts, make_jobs(20))


@pytest.fixture
def desk(away, clock):
    return Desk(away, clock=clock)


@pytest.fixture
def client(proxy, connect):
    """Carol, who has logged in behind the proxy."""
    return connect(proxy)


SUBMISSIONS = [
    pytest.param(lambda client: client.submit_reading("M00000", 5983, when=WHEN), id="submit_reading"),
    pytest.param(lambda client: client.submit_and_next(make_answer("M00000", 5983)), id="submit_and_next"),
    pytest.param(lambda client: client.submit_readings([make_answer("M00000", 5983)]), id="submit_readings"),
]


@pytest.mark.parametrize("submit", SUBMISSIONS)
def test_a_reading_is_sent_again_until_the_database_is_back(submit, client, away, proxy):
    away.away = True
    submission = start(lambda: submit(client))
    wait_until(lambda: away.asked >= 3, "it was asked again")
    away.away = False

    submission()
    assert read_in(away) == [("M00000", 5983)]
    assert proxy.connections == 1


@pytest.mark.parametrize("submit", SUBMISSIONS)
def test_a_reading_that_was_kept_before_the_database_went_counts_once(submit, client, away):
    away.mute = True
    submission = start(lambda: submit(client))
    wait_until(lambda: away.asked >= 2, "it was kept, and asked again")
    away.mute = False

    submission()
    assert read_in(away) == [("M00000", 5983)]


def test_while_the_database_stays_away_a_call_asks_less_and_less_until_its_deadline(client, away, proxy):
    client.timeout = 1.5
    away.away = True
    with ends_after(1.5), pytest.raises(StoreAway, match="The server cannot reach its database; whether this was kept"):
        client.submit_reading("M00000", 5983, when=WHEN)
    assert 3 <= away.asked <= 8
    away.away, client.timeout = False, DEADLINE
    assert client.get_status() == Status(0, 0)
    assert proxy.connections == 1


def test_a_database_that_was_away_is_told_also_when_the_last_try_gets_no_answer(client, away, proxy):
    client.timeout = 1.0
    away.away = True

    def submit():
        with ends_after(1.0), pytest.raises(StoreAway):
            client.submit_reading("M00000", 5983, when=WHEN)

    submission = start(submit)
    wait_until(lambda: away.asked >= 2, "its reader was told, and has asked again")
    with proxy.deaf():
        submission()


def test_a_login_waits_for_the_database_too(proxy, away):
    with MeterClient("localhost", proxy.port) as client:
        away.away = True
        login = start(lambda: client.login("carol", "carol"))
        wait_until(lambda: away.asked >= 2, "it was asked again")
        away.away = False

        assert login() == "Carol Dent"


# --- several servers


class Branch(AwayStore):
    """A way to a database that several servers share."""

    def __init__(self, database):
        super().__init__()
        self._database = database

    def read(self, work):
        return self._answer(self._database.read, work)

    def write(self, work):
        return self._answer(self._database.write, work)


@pytest.fixture
def branches(demo_accounts, clock):
    """The ways of two servers to a database of theirs; by port."""
    database = fill(AwayStore(), demo_accounts, make_jobs(20))
    with ExitStack() as stack:
        stores = [Branch(database) for _ in range(2)]
        desks = [Desk(store, server=str(number), clock=clock) for number, store in enumerate(stores)]
        yield {stack.enter_context(listening(desk)).port: desk.store for desk in desks}


@pytest.fixture
def reader(branches):
    with MeterClient(servers=[f"localhost:{port}" for port in branches]) as client:
        client.login("carol", "carol")
        yield client


def test_a_reader_goes_on_with_a_server_that_has_a_way_to_the_database(branches, reader):
    first = reader.port
    branches[first].away = True

    reader.submit_reading("M00000", 5983, when=WHEN)
    assert reader.port != first
    assert reader.get_status() == Status(1, 1)


def test_a_reader_stays_connected_when_no_server_has_a_way_to_the_database(branches, reader):
    reader.timeout = 1.0
    first, connection = reader.port, reader._connection
    for store in branches.values():
        store.away = True
    for _ in range(2):
        with ends_after(1.0), pytest.raises(StoreAway):
            reader.submit_reading("M00000", 5983, when=WHEN)
    assert (reader.port, reader._connection) == (first, connection)
    for store in branches.values():
        store.away = False

    reader.submit_reading("M00000", 5983, when=WHEN)
    assert reader.get_status() == Status(1, 1)


def test_a_reader_is_told_when_no_server_has_noticed_yet_that_its_database_is_away(branches, reader):
    reader.timeout = 1.0
    for store in branches.values():
        store.away, store.known = True, False
    for _ in range(2):
        with ends_after(1.0), pytest.raises(StoreAway):
            reader.submit_reading("M00000", 5983, when=WHEN)
    for store in branches.values():
        store.away = False

    reader.submit_reading("M00000", 5983, when=WHEN)
    assert reader.get_status() == Status(1, 1)


def test_a_new_client_is_told_that_no_server_has_a_way_to_the_database(branches):
    for store in branches.values():
        store.away = True

    with pytest.raises(StoreAway, match="The database cannot be reached"):
        MeterClient(servers=[f"localhost:{port}" for port in branches])


def test_a_new_client_passes_over_a_server_without_a_way_to_the_database(branches):
    gone, other = branches
    branches[gone].away = True
    for _ in range(4):
        with MeterClient(servers=[f"localhost:{port}" for port in branches]) as client:
            assert client.port == other
