"""The made-up town."""

from datetime import date

import pytest
from conftest import CYCLE, Clock, dump, import_jobs, make_account, make_job, make_place
from memory_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import on_all_stores
from readers import Reader, as_office
from steps import free_jobs

from metermt.calls import accounts, cycles
from metermt.calls.desk import Desk
from metermt.demo import USERS, add_town, check_no_town
from metermt.demotown import stops
from metermt.errors import SettingError
from metermt.serving import RunningServer, ServerSettings
from metermt.store.memory.store import MemoryStore
from metermt.store.sqlite.store import SqliteStore

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


@on_all_stores
def test_its_meters_hang_along_three_routes_and_are_walked_stop_by_stop(town):
    jobs = jobs_in(town.store)
    assert len({job.meter.number for job in jobs}) == len(jobs) == 150
    assert [(job.route, job.sequence) for job in jobs] == [(stop.route, stop.sequence) for stop in stops()]
    assert {job.meter.kind for job in jobs} == {"G", "E"}


def test_all_have_a_past_that_ends_before_this_month(town):
    assert all(job.previous_date < date(2026, 11, 1) for job in jobs_in(town.store))
    reads = town.store.read(lambda tx: tx.places.history(stop.number for stop in stops()))
    assert {number: len(past) for number, past in reads.items()} == {stop.number: 14 for stop in stops()}


def test_its_meters_are_to_be_read_this_month(town, clock):
    assert {job.cycle for job in jobs_in(town.store)} == {"2026-11"}


def test_it_is_the_same_town_every_time(town):
    with MemoryStore() as other:
        add_town(Desk(other, clock=Clock()))
        assert jobs_in(other) == jobs_in(town.store)


@on_all_stores
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


@pytest.mark.parametrize("there", ["users", "jobs", "places", "a user of that name"])
def test_it_is_not_added_to_what_others_have_made(store, clock, there):
    if there == "jobs":
        import_jobs(store, CYCLE, [make_job("W7")])
    elif there == "places":
        store.write(lambda tx: tx.places.put([make_place("W7")]))
    else:
        store.write(lambda tx: tx.accounts.put([make_account("dora" if there == "users" else "carol")]))
    before = dump(store)
    with pytest.raises(SettingError, match="which has users, meters or cycles of its own: choose another --database"):
        add_town(Desk(store, clock=clock))
    assert dump(store) == before


@pytest.mark.parametrize("step", ["Past", "Opening", "add_accounts"])
def test_a_town_that_was_cut_off_half_way_is_completed(clock, monkeypatch, step):
    def cut_off(*_args):
        raise KeyboardInterrupt

    with MemoryStore() as store, MemoryStore() as other:
        monkeypatch.setattr(f"metermt.demo.{step}", cut_off)
        with pytest.raises(KeyboardInterrupt):
            add_town(Desk(store, clock=clock))
        monkeypatch.undo()
        for one in (store, other):
            add_town(Desk(one, clock=clock))
        assert jobs_in(store) == jobs_in(other)
        assert Reader(Desk(store, clock=clock)).meter()


def test_its_users_are_let_in_by_a_demo_only_also_when_its_meters_were_read(town):
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    with pytest.raises(SettingError, match="was made by --demo, and lets anybody in as adam, carol, eric, gwenda"):
        check_no_town(town)


def test_a_database_with_the_town_is_served_as_a_demo_only(database_path, clock):
    with SqliteStore(database_path) as store:
        add_town(Desk(store, clock=clock))
    with pytest.raises(SettingError, match="was made by --demo"):
        RunningServer(ServerSettings(port=0, database=database_path))


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


@on_all_stores
def test_a_town_of_the_next_month_has_the_same_meters_and_goes_on_from_what_was_read(town, clock):
    november = jobs_in(town.store)
    Reader(town).submit("G72168", 5983)
    as_office(town, cycles.close_cycle, cycles.Closing(CYCLE, force=True))
    clock.move(days=20)
    add_town(town)
    december = jobs_in(town.store)
    assert [(job.meter.number, job.meter.address) for job in december] == [
        (job.meter.number, job.meter.address) for job in november
    ]
    assert (december[0].previous, december[0].previous_date) == (5983, date(2026, 11, 20))
    assert "Last time about 5,980, some " in december[0].meter.instructions
    assert [job.previous for job in december[1:]] == [job.previous for job in november[1:]]
