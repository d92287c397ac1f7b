"""The made-up town."""

import re
from dataclasses import replace

import pytest
from conftest import CYCLE, Clock, dump, import_jobs, make_account, make_job
from readers import Reader, as_office

from metermt.calls import office
from metermt.calls.desk import Desk
from metermt.demo import USERS, add_town
from metermt.passwords import verify_password
from metermt.store.memory import MemoryStore

NUMBER = re.compile(r"G[4-9]\d{4}|E[4-9]\d{4}|E[1-9]\d{5}")

pytestmark = pytest.mark.usefixtures("hasher")


def jobs_in(store):
    return [known.job for known in store.read(lambda tx: tx.jobs.free(10_000))]


@pytest.fixture
def town(store, clock):
    """A desk with nothing but the town."""
    desk = Desk(store, clock=clock)
    add_town(desk)
    return desk


def test_the_towns_users_have_their_names_as_passwords(town):
    for username, full_name in USERS.items():
        reader = Reader(town, username)
        assert reader.meter()
        account = town.store.read(lambda tx, username=username: tx.accounts.find([username]))[username]
        assert account.user.full_name == full_name


def test_the_town_has_a_thousand_gas_and_electricity_meters(town):
    meters = [job.meter for job in jobs_in(town.store)]
    assert len({meter.number for meter in meters}) == len(meters) == 1000
    assert all(NUMBER.fullmatch(meter.number) and meter.kind == meter.number[0] for meter in meters)
    assert {meter.kind for meter in meters} == {"G", "E"}
    assert all(int(meter.number[1:]) <= meter.highest for meter in meters)


def test_its_meters_hang_along_the_streets_and_are_walked_house_by_house(town):
    jobs = jobs_in(town.store)
    assert [(job.route, job.sequence) for job in jobs] == sorted((job.route, job.sequence) for job in jobs)
    assert all(job.meter.address == f"{job.sequence} {job.route}" for job in jobs)
    assert len({job.meter.address for job in jobs}) == 1000


def test_its_meters_are_to_be_read_this_month(town, clock):
    assert {job.cycle for job in jobs_in(town.store)} == {"2026-11"}


def test_it_is_the_same_town_every_time(town):
    with MemoryStore() as other:
        add_town(Desk(other, clock=Clock()))
        assert jobs_in(other) == jobs_in(town.store)


def test_it_is_added_once(town, clock):
    before = dump(town.store)
    add_town(town)
    clock.move(days=20)
    add_town(town)
    assert dump(town.store) == before


def test_users_who_are_known_are_left_alone(store, clock):
    store.write(lambda tx: tx.accounts.put([make_account("carol", "Carol Other", "hash")]))
    add_town(Desk(store, clock=clock))
    users = store.read(lambda tx: tx.accounts.users())
    assert [user.full_name for user in users] == ["Adam Ong", "Carol Other", "Eric Lund", "Gwenda Pryce"]
    accounts = store.read(lambda tx: tx.accounts.find(USERS))
    assert accounts["carol"].password_hash == "hash"
    assert verify_password(accounts["adam"].password_hash, "adam")


def test_no_meters_are_added_beside_routes(store, clock):
    job = make_job("W7")
    import_jobs(store, CYCLE, [job])
    add_town(Desk(store, clock=clock))
    assert jobs_in(store) == [job]


def test_a_cycle_that_was_closed_stays_closed(town, clock):
    as_office(town, office.close_cycle, office.Cycle(CYCLE))
    add_town(town)
    assert jobs_in(town.store) == []
    clock.move(days=20)
    add_town(town)
    assert {job.cycle for job in jobs_in(town.store)} == {"2026-12"}


def test_a_town_of_the_next_month_has_the_same_meters(town, clock):
    november = jobs_in(town.store)
    as_office(town, office.close_cycle, office.Cycle(CYCLE))
    clock.move(days=20)
    add_town(town)
    assert jobs_in(town.store) == [replace(job, cycle="2026-12") for job in november]
