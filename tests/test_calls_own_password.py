"""A reader's own password: what it takes to change it, and what that ends."""

import pytest
from conftest import dump
from readers import Reader, as_office, is_shut_out, left_to, log_in

from metermt import passwords
from metermt.calls import accounts
from metermt.calls.accounts import ChangedPassword
from metermt.errors import LoginError, SessionError, TooManyFailures, UserError
from metermt.model import Account, User

NEW = "a new horse"


def change(reader, old="carol", new=NEW):
    return reader.ask(accounts.change_password, ChangedPassword(old, new))


def put_password(store, password):
    """Change carol's password beside all servers, and leave her sessions alone."""

    def put(tx):
        tx.accounts.put([Account(tx.accounts.find(["carol"])["carol"].user, passwords.hash_password(password))])

    store.write(put)


def test_readers_change_their_own_password(desk, carol, adam):
    assert change(carol) is None
    assert type(log_in(desk)) is LoginError
    assert log_in(desk, password=NEW).full_name == "Carol Dent"
    assert log_in(desk, "adam").full_name == "Adam Ong"
    assert carol.meter() == "M00000"
    assert adam.meter() == "M00004"


@pytest.mark.parametrize("password", ["seven77", "p"])
def test_a_short_password_is_taken_with_the_same_warning_whoever_sets_it(desk, carol, password):
    said = [
        change(carol, new=password),
        as_office(desk, accounts.set_password, accounts.NewPassword("adam", password)),
        as_office(desk, accounts.add_user, accounts.NewUser(User("dora", "Dora Ek"), password)),
    ]
    assert said == ["a password of less than 8 characters is easily guessed"] * 3
    assert log_in(desk, password=password).full_name == "Carol Dent"


def test_an_empty_password_is_refused_and_the_old_one_stays(desk, carol):
    with pytest.raises(UserError, match="The password is empty: choose one"):
        change(carol, new="")
    assert log_in(desk).full_name == "Carol Dent"


def test_a_changed_password_ends_the_other_sessions_and_leaves_what_they_hold_to_the_reader(desk, carol, adam):
    other = Reader(desk, "carol")
    assert other.meter() == "M00000"
    change(carol)
    with pytest.raises(SessionError):
        other.meter()
    assert left_to(desk.store) == ["M00000"]
    assert carol.meter() == "M00000"


def test_a_wrong_old_password_changes_nothing_and_counts_as_two_guesses(desk, clock):
    carol = Reader(desk, address="10.0.0.1")
    before = dump(desk.store)
    for _ in range(5):  # each tries two passwords
        with pytest.raises(LoginError, match=r"^The old password is wrong$"):
            change(carol, old="guess")
    with pytest.raises(TooManyFailures):
        change(carol)
    assert is_shut_out(desk)
    assert dump(desk.store) == before
    clock.move(minutes=15)
    change(carol)


def test_a_new_password_that_cannot_be_used_changes_nothing(desk, carol):
    before = dump(desk.store)
    with pytest.raises(UserError, match="The password is empty"):
        change(carol, new="")
    assert dump(desk.store) == before


def test_of_all_passwords_that_are_tried_by_a_change_no_more_are_told_than_by_logging_in(desk):
    carol = Reader(desk, address="10.0.0.1")
    for guess in range(0, 10, 2):
        with pytest.raises(LoginError, match=r"^The old password is wrong$"):
            change(carol, old=f"guess {guess}", new=f"guess {guess + 1}")
    with pytest.raises(TooManyFailures):
        change(carol, old="guess", new="carol")


def test_a_change_whose_answer_was_lost_may_be_asked_for_again(desk, carol):
    change(carol)
    change(carol)
    assert log_in(desk, password=NEW).full_name == "Carol Dent"


def test_a_password_that_the_office_changed_meanwhile_is_not_overwritten(desk, carol, hasher, monkeypatch):
    verify = hasher.verify

    def verify_and_lose_time(*args):
        monkeypatch.setattr(hasher, "verify", verify)
        is_right = verify(*args)
        put_password(desk.store, "the office's")
        return is_right

    monkeypatch.setattr(hasher, "verify", verify_and_lose_time)
    with pytest.raises(LoginError):
        change(carol)
    assert log_in(desk, password="the office's").full_name == "Carol Dent"


def test_a_session_that_was_ended_elsewhere_changes_no_password(desk, carol):
    carol.status()
    desk.store.write(lambda tx: tx.sessions.end([*tx.sessions.of(["carol"])]))
    before = dump(desk.store)
    with pytest.raises(SessionError):
        change(carol)
    assert dump(desk.store) == before


def test_who_has_not_logged_in_has_no_password_to_change(desk):
    with pytest.raises(SessionError):
        desk.ask(accounts.change_password, ChangedPassword("carol", NEW))


def test_no_password_is_hashed_in_a_transaction(desk, carol, hasher, monkeypatch):
    running = []
    write = desk.store.write

    def watched(work):
        def watched_work(tx):
            before = hasher.calls
            outcome = work(tx)
            running.append(hasher.calls - before)
            return outcome

        return write(watched_work)

    monkeypatch.setattr(desk.store, "write", watched)
    change(carol)
    assert hasher.calls == 3, "a login, the old password and the new one"
    assert set(running) == {0}
