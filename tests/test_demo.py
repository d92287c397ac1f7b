"""The made-up town."""

import re
from dataclasses import replace

import pytest
from conftest import CYCLE, Clock, dump, import_jobs, make_account, make_job
from readers import Reader, as_office
from steps import free_jobs

from metermt.calls import accounts, cycles
from metermt.calls.desk import Desk
from metermt.demo import USERS, add_town, check_no_town
from metermt.errors import SettingError
from metermt.store.memory import MemoryStore

NUMBER = re.compile(r"G[4-9]\d{4}|E[4-9]\d{4}|E[1-9]\d{5}")

pytestmark = pytest.mark.usefixtures("hasher")


def jobs_in(store):
    return [known.job for known in store.read(free_jobs)]


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


def test_users_who_were_added_or_changed_are_left_alone(town):
    changed = [make_account("carol", "Carol Other", "hash"), make_account("dora")]
    town.store.write(lambda tx: tx.accounts.put(changed))
    before = dump(town.store)
    add_town(town)
    assert dump(town.store) == before


def test_no_meters_are_added_beside_routes(town, clock):
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    job = make_job("W7", "2026-12")
    import_jobs(town.store, "2026-12", [job])
    clock.move(days=20)
    add_town(town)
    assert jobs_in(town.store) == [job]


@pytest.mark.parametrize("there", ["users", "jobs", "a user of that name"])
def test_it_is_not_added_to_what_others_have_made(store, clock, there):
    if there == "jobs":
        import_jobs(store, CYCLE, [make_job("W7")])
    else:
        store.write(lambda tx: tx.accounts.put([make_account("dora" if there == "users" else "carol")]))
    before = dump(store)
    with pytest.raises(SettingError, match="which has users or cycles of its own: choose another --database"):
        add_town(Desk(store, clock=clock))
    assert dump(store) == before


def test_a_town_that_was_cut_off_half_way_is_completed(store, clock, monkeypatch):
    def cut_off(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("metermt.demo.add_accounts", cut_off)
    with pytest.raises(KeyboardInterrupt):
        add_town(Desk(store, clock=clock))
    monkeypatch.undo()
    add_town(Desk(store, clock=clock))
    assert Reader(Desk(store, clock=clock)).meter()
    assert len(jobs_in(store)) == 999


def test_its_users_are_let_in_by_a_demo_only_also_when_its_meters_were_read(town):
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    with pytest.raises(SettingError, match="was made by --demo, and lets anybody in as adam, carol, eric, gwenda"):
        check_no_town(town)


def test_a_town_whose_users_have_passwords_of_their_own_or_are_disabled_may_be_served(town):
    as_office(town, accounts.disable_user, accounts.Username("adam"))
    for username in ("carol", "eric"):
        as_office(town, accounts.set_password, accounts.NewPassword(username, "a horse"))
    with pytest.raises(SettingError, match="lets anybody in as gwenda: "):
        check_no_town(town)
    as_office(town, accounts.disable_user, accounts.Username("gwenda"))
    check_no_town(town)


def test_whoever_chose_such_a_password_elsewhere_is_not_of_the_town(store, clock, demo_accounts):
    store.write(lambda tx: tx.accounts.put(demo_accounts))
    import_jobs(store, CYCLE, [make_job("G40000")])
    check_no_town(Desk(store, clock=clock))


def test_a_cycle_that_was_closed_stays_closed(town, clock):
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    add_town(town)
    assert jobs_in(town.store) == []
    clock.move(days=20)
    add_town(town)
    assert {job.cycle for job in jobs_in(town.store)} == {"2026-12"}


def test_a_town_of_the_next_month_has_the_same_meters(town, clock):
    november = jobs_in(town.store)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    clock.move(days=20)
    add_town(town)
    assert jobs_in(town.store) == [replace(job, cycle="2026-12") for job in november]
