"""What every store promises: who there is."""

from dataclasses import replace

import pytest
from conftest import make_account

from metermt.model import Account, Role, User


def test_accounts_that_were_put_are_found_by_name(steps):
    carol, adam = make_account("carol", "Carol Dent", "a hash"), make_account("adam")
    steps.accounts.put([carol, adam])
    assert steps.accounts.find(["adam", "carol"]) == {"adam": adam, "carol": carol}
    assert steps.accounts.find(["carol"]) == {"carol": carol}


def test_who_is_not_there_is_not_found(steps):
    steps.accounts.put([make_account("carol")])
    assert steps.accounts.find(["carol", "adam"]) == {"carol": make_account("carol")}
    assert steps.accounts.find(["CAROL", "caro", "carol "]) == {}


def test_who_is_looked_for_twice_is_found_once(steps):
    steps.accounts.put([make_account("carol")])
    assert steps.accounts.find(["carol", "carol"]) == {"carol": make_account("carol")}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("disabled", [False, True])
def test_every_field_of_an_account_is_kept(steps, role, disabled):
    account = Account(User("carol", "Carol 🐋 O'Dent", disabled, role), "$argon2id$v=19$m=8,t=1,p=1$…")
    steps.accounts.put([account])
    assert steps.accounts.find(["carol"]) == {"carol": account}
    assert steps.accounts.users() == [account.user]
    assert type(steps.accounts.users()[0].disabled) is bool
    assert type(steps.accounts.users()[0].role) is Role


def test_users_are_listed_by_name(steps):
    steps.accounts.put(map(make_account, ["carol", "c_d", "adam", "c.b", "c-a", "c1"]))
    assert [user.username for user in steps.accounts.users()] == ["adam", "c-a", "c.b", "c1", "c_d", "carol"]


def test_an_account_replaces_the_one_of_the_same_name(crew):
    disabled = replace(make_account().user, disabled=True, role=Role.SUPERVISOR, full_name="Carol Other")
    other = Account(disabled, "another hash")
    crew.accounts.put([other])
    assert crew.accounts.find(["adam", "carol"]) == {"adam": make_account("adam"), "carol": other}


def test_who_is_replaced_keeps_sessions_and_jobs(crew):
    crew.lease("carol-1", "M00000", until=10)
    crew.accounts.put([make_account("carol", "Carol Other", role=Role.ADMIN)])
    assert crew.sessions.find(["carol-1"])["carol-1"].user == User("carol", "Carol Other", role=Role.ADMIN)
    assert crew.held("carol-1") == {"carol-1": ["M00000"]}


def test_a_disabled_user_is_still_found(crew):
    user = replace(make_account().user, disabled=True)
    crew.accounts.put([Account(user, "a hash")])
    assert crew.accounts.find(["carol"])["carol"].user.disabled
    assert [user.disabled for user in crew.accounts.users()] == [False, True]


def test_those_who_are_disabled_are_told_apart(steps):
    disabled = [Account(replace(make_account(name).user, disabled=True), "a hash") for name in ("carol", "eric")]
    steps.accounts.put([make_account("adam"), *disabled])
    assert steps.accounts.disabled(["adam", "carol", "gwenda", "carol"]) == {"carol"}
    assert steps.accounts.disabled(["eric"]) == {"eric"}
    assert steps.accounts.disabled(["adam"]) == steps.accounts.disabled([]) == set()


def test_what_is_foreseen_is_found_as_it_would_be_otherwise(store):
    store.write(lambda tx: tx.accounts.put([make_account("carol")]))

    def work(tx):
        tx.foresee(lambda: tx.accounts.disabled(["carol", "adam"]))
        tx.foresee(tx.accounts.users)
        tx.cycles.all()
        return tx.accounts.disabled(["adam", "carol"]), tx.accounts.find(["carol"])

    for run in (store.read, store.write):
        assert run(work) == (set(), {"carol": make_account("carol")})


def test_what_is_changed_after_it_was_foreseen_is_found_as_it_is(store):
    store.write(lambda tx: tx.accounts.put([make_account("carol"), make_account("adam")]))

    def work(tx):
        tx.foresee(lambda: tx.accounts.disabled(["adam", "carol"]))
        tx.cycles.all()
        carol = tx.accounts.find(["carol"])["carol"]
        tx.accounts.put([replace(carol, user=replace(carol.user, disabled=True))])
        return tx.accounts.disabled(["adam", "carol"])

    assert store.write(work) == {"carol"}


def test_thousands_are_put_and_found_in_one_step(steps):
    """More than a statement can have parameters."""
    names = [f"reader{number:05}" for number in range(33_000)]  # SQLite has 32,766, PostgreSQL 65,535
    accounts = list(map(make_account, names))  # beforehand: a transaction waits no longer than five seconds for us
    steps.accounts.put(accounts)
    assert set(steps.accounts.find(names)) == set(names)
    assert [user.username for user in steps.accounts.users()] == names


def test_to_put_and_to_look_for_nobody_is_harmless(steps):
    steps.accounts.put([])
    assert steps.accounts.find([]) == {}
    assert steps.accounts.users() == []
