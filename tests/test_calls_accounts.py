"""Who may log in, and as what."""

from dataclasses import replace

import pytest
from conftest import CYCLE, NOW, dump, import_jobs, make_job
from readers import Reader, as_office, fail_to_log_in, is_shut_out, log_in, readings_in

from metermt.calls import accounts, cycles, routes, unread
from metermt.calls.accounts import NewName, NewPassword, NewRole, NewUser, Username, UserState
from metermt.calls.desk import Desk
from metermt.errors import AccountDisabled, RoleError, SessionError, UserError
from metermt.model import Role, User
from metermt.passwords import verify_password
from metermt.progress import RouteProgress

DORA = User("dora", "Dora Ek")


def account_of(desk, username):
    return desk.store.read(lambda tx: tx.accounts.find([username])).get(username)


# --- accounts


def test_a_user_who_is_added_can_log_in_as_what_they_are(desk):
    as_office(desk, accounts.add_user, NewUser(User("dora", "Dora Ek", role=Role.ADMIN), "a horse"))
    dora = Reader(desk, "dora", password="a horse")
    assert dora.ask(accounts.find_user, Username("dora")) == User("dora", "Dora Ek", role=Role.ADMIN)


def test_a_user_name_is_taken_once(desk):
    before = dump(desk.store)
    with pytest.raises(UserError, match="There is a user 'carol' already"):
        as_office(desk, accounts.add_user, NewUser(User("carol", "Carol Other"), "a horse"))
    assert dump(desk.store) == before


@pytest.mark.parametrize("call", [accounts.add_user, accounts.set_password])
def test_a_password_that_cannot_be_used_changes_nothing(desk, call):
    before = dump(desk.store)
    request = NewUser(DORA, "") if call is accounts.add_user else NewPassword("carol", "")
    with pytest.raises(UserError, match="The password is empty"):
        as_office(desk, call, request)
    assert dump(desk.store) == before


def test_users_are_listed_by_name(desk):
    as_office(desk, accounts.add_user, NewUser(DORA, "a horse"))
    assert [user.username for user in as_office(desk, accounts.list_users)] == [
        *("adam", "carol", "dora", "eric", "gwenda")
    ]


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        (accounts.find_user, Username("dora")),
        (accounts.set_password, NewPassword("dora", "a horse")),
        (accounts.set_role, NewRole("dora", Role.ADMIN)),
        (accounts.disable_user, Username("dora")),
        (accounts.enable_user, Username("dora")),
        (accounts.unlock_user, Username("dora")),
        (accounts.rename_user, NewName("dora", "Dora Ek")),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_user_who_is_none_is_told_of(desk, call, request_):
    before = dump(desk.store)
    with pytest.raises(UserError, match="There is no user 'dora'"):
        as_office(desk, call, request_)
    assert dump(desk.store) == before


def test_nobody_has_no_name(desk):
    with pytest.raises(UserError, match="There is no user ''"):
        as_office(desk, accounts.find_user, Username(""))


def test_a_new_password_keeps_the_rest_of_an_account(desk):
    as_office(desk, accounts.set_role, NewRole("carol", Role.SUPERVISOR))
    as_office(desk, accounts.disable_user, Username("carol"))
    as_office(desk, accounts.set_password, NewPassword("carol", "a new horse"))
    account = account_of(desk, "carol")
    assert account.user == User("carol", "Carol Dent", disabled=True, role=Role.SUPERVISOR)
    assert verify_password(account.password_hash, "a new horse")
    assert type(log_in(desk, password="a new horse")) is AccountDisabled


def test_a_disabled_users_readings_stay(desk, carol):
    carol.submit("M00000")
    as_office(desk, accounts.disable_user, Username("carol"))
    assert [reading.username for reading in readings_in(desk.store)] == ["carol"]
    assert as_office(desk, routes.list_routes) == [RouteProgress(CYCLE, "North", 1, 5)]


def test_an_admin_cannot_disable_their_own_account(desk, carol, clock):
    as_office(desk, accounts.set_role, NewRole("carol", Role.ADMIN))
    carol.status()
    for seconds in (0, 2):  # at once, when their session is trusted, and later
        clock.move(seconds=seconds)
        with pytest.raises(UserError, match=r"^carol is your own account: have another admin disable it"):
            carol.ask(accounts.disable_user, Username("carol"))
    assert carol.ask(accounts.find_user, Username("carol")).disabled is False


def test_who_is_enabled_again_can_log_in_with_the_old_password(desk, carol):
    as_office(desk, accounts.disable_user, Username("carol"))
    assert type(log_in(desk)) is AccountDisabled
    as_office(desk, accounts.enable_user, Username("carol"))
    assert log_in(desk).full_name == "Carol Dent"
    with pytest.raises(SessionError):
        carol.status()


def test_a_new_full_name_is_told_at_the_next_login_and_the_rest_stays(desk, carol):
    before = account_of(desk, "carol")
    as_office(desk, accounts.rename_user, NewName("carol", "Carol Dent-Ong"))
    assert log_in(desk).full_name == "Carol Dent-Ong"
    assert account_of(desk, "carol") == replace(before, user=User("carol", "Carol Dent-Ong"))
    assert carol.meter() == "M00000"


@pytest.mark.parametrize("full_name", ["", "  ", "Carol\n", "x" * 201])
def test_a_full_name_that_cannot_be_used_changes_nothing(desk, full_name):
    before = dump(desk.store)
    with pytest.raises(UserError, match="full name"):
        as_office(desk, accounts.rename_user, NewName("carol", full_name))
    assert dump(desk.store) == before


def test_who_is_unlocked_need_not_wait_at_any_address(desk):
    for address in ("10.0.0.1", "10.0.0.2"):
        fail_to_log_in(desk, 10, address=address)
    fail_to_log_in(desk, 10, "adam")
    as_office(desk, accounts.unlock_user, Username("carol"))
    assert not is_shut_out(desk)
    assert not is_shut_out(desk, address="10.0.0.2")
    assert is_shut_out(desk, "adam")


def test_a_new_password_ends_the_wait_after_wrong_ones(desk):
    fail_to_log_in(desk, 10)
    assert is_shut_out(desk)
    as_office(desk, accounts.set_password, NewPassword("carol", "a new horse"))
    assert log_in(desk, password="a new horse").full_name == "Carol Dent"


def test_the_office_sees_who_has_to_wait_and_who_was_there_last(desk, clock):
    start = NOW.timestamp()
    fail_to_log_in(desk, 10, "eric", "10.0.0.1")
    clock.move(minutes=5)
    fail_to_log_in(desk, 9, "adam")
    fail_to_log_in(desk, 10, "eric", "10.0.0.2")
    fail_to_log_in(desk, 10, "nobody")
    Reader(desk, "carol")
    clock.move(minutes=5)
    Reader(desk, "carol")
    as_office(desk, accounts.disable_user, Username("gwenda"))
    assert as_office(desk, accounts.list_user_states) == [
        UserState(User("adam", "Adam Ong")),
        UserState(User("carol", "Carol Dent"), used_at=start + 600),
        UserState(User("eric", "Eric Lund"), locked_until=start + 1200),
        UserState(User("gwenda", "Gwenda Pryce", disabled=True)),
    ]
    clock.move(minutes=10)
    assert as_office(desk, accounts.list_user_states)[2].locked_until is None


# --- roles

CALLS_OF_THE_OFFICE = {
    accounts.list_users: (None, Role.ADMIN),
    accounts.find_user: (Username("carol"), Role.ADMIN),
    accounts.add_user: (NewUser(DORA, "a horse"), Role.ADMIN),
    accounts.set_password: (NewPassword("carol", "a horse"), Role.ADMIN),
    accounts.set_role: (NewRole("carol", Role.ADMIN), Role.ADMIN),
    accounts.disable_user: (Username("adam"), Role.ADMIN),
    accounts.enable_user: (Username("adam"), Role.ADMIN),
    accounts.unlock_user: (Username("adam"), Role.ADMIN),
    accounts.rename_user: (NewName("adam", "Adam Other"), Role.ADMIN),
    accounts.list_user_states: (None, Role.ADMIN),
    routes.import_jobs: (routes.Import(CYCLE, [make_job("G1")]), Role.ADMIN),
    cycles.close_cycle: (cycles.Closing(CYCLE, force=True), Role.ADMIN),
    cycles.list_cycles: (None, Role.SUPERVISOR),
    routes.list_routes: (None, Role.SUPERVISOR),
    routes.list_meters: (routes.Routes(CYCLE, ["North"]), Role.SUPERVISOR),
    cycles.reopen_cycle: (cycles.Cycle("2026-10"), Role.ADMIN),
    cycles.remove_cycle: (cycles.Cycle("2026-10"), Role.ADMIN),
    routes.remove_jobs: (routes.Removal(CYCLE, ["M00000"]), Role.ADMIN),
    unread.list_missing: (unread.Missing(), Role.SUPERVISOR),
    unread.release_jobs: (unread.Release(route="North"), Role.SUPERVISOR),
}


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # who may ask is judged before a store is
@pytest.mark.parametrize("call", CALLS_OF_THE_OFFICE, ids=lambda call: call.name)
@pytest.mark.parametrize("role", Role)
def test_each_call_is_for_its_role_and_those_above(desk, call, role):
    request, least = CALLS_OF_THE_OFFICE[call]
    import_jobs(desk.store, "2026-10", [make_job("W1", "2026-10")])
    as_office(desk, cycles.close_cycle, cycles.Closing("2026-10", force=True))
    as_office(desk, accounts.set_role, NewRole("carol", role))
    carol = Reader(desk)
    before = dump(desk.store)
    if role.may_act_as(least):
        carol.ask(call, request)
    else:
        with pytest.raises(RoleError, match=f"{call.name} is for an? .*{least}.*, and you are a .*{role}") as caught:
            carol.ask(call, request)
        assert caught.value.details == {"role": str(least)}
        assert dump(desk.store) == before


def test_a_new_role_is_good_from_the_next_call_on(desk, carol):
    with pytest.raises(RoleError):
        carol.ask(routes.list_routes)
    as_office(desk, accounts.set_role, NewRole("carol", Role.SUPERVISOR))
    assert carol.ask(routes.list_routes) == [RouteProgress(CYCLE, "North", 0, 5)]
    as_office(desk, accounts.set_role, NewRole("carol", Role.READER))
    with pytest.raises(RoleError):
        carol.ask(routes.list_routes)


def test_a_new_role_is_good_after_a_second_at_other_servers(desk, carol, clock):
    elsewhere = carol.at(Desk(desk.store, server="elsewhere", clock=clock))
    elsewhere.status()
    as_office(desk, accounts.set_role, NewRole("carol", Role.SUPERVISOR))
    clock.move(seconds=1)
    assert elsewhere.ask(routes.list_routes) == [RouteProgress(CYCLE, "North", 0, 5)]
