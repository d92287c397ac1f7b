"""Two servers that answer at once on one PostgreSQL: each trap with real transactions."""

import pytest
from chaos_stage import at_odds
from conftest import (
    run_together,
    start,
    wait_until,
)
from postgres_faults import (
    JOBS,
    THE_JOB,
    desk_time,
    outcome_of,
    row_held,
    wait_until_waiting,
    waiting_for_locks,
)
from readers import Reader, as_office, fail_to_log_in, readings_in

from metermt.calls import accounts, erasing, rounds, unread
from metermt.calls.audit import seal
from metermt.calls.known import key_of
from metermt.errors import AccountDisabled, AlreadyRead, Error
from metermt.model import Answer, Assignment
from metermt.store.postgres.steps import PostgresTx
from metermt.store.sql.audit import SqlAudit


@pytest.mark.parametrize("usernames", [("carol", "carol"), ("carol", "adam")], ids=["one reader", "two readers"])
def test_two_servers_that_keep_answers_in_opposite_order_both_come_to_an_end(usernames, desks, postgres_url):
    crew = [Reader(desk, username) for desk, username in zip(desks, usernames, strict=True)]
    when = desk_time(desks[0])
    answers = [Answer(f"M{number:05}", 5, when=when) for number in range(JOBS)]

    told, told_other = run_together(
        lambda: crew[0].submit_many(answers), lambda: crew[1].submit_many(list(reversed(answers)))
    )

    refused = [error for error in told + told_other if error]
    if usernames[0] == usernames[1]:
        assert refused == []  # the second ones are corrections
    else:
        assert len(refused) == JOBS
        assert {type(error) for error in refused} == {AlreadyRead}
    assert sum(reading.counts for reading in readings_in(desks[0].store)) == JOBS
    assert at_odds(postgres_url) == {}


def test_a_key_that_comes_through_two_servers_at_once_counts_once(desks, postgres_url):
    carol = Reader(desks[0])
    carols, when = (carol, carol.at(desks[1])), desk_time(desks[0])

    for number in range(JOBS):
        again_and_again = [
            lambda one=one, number=number: one.submit(f"M{number:05}", when=when, key=f"key-{number}")
            for one in carols * 2
        ]
        assert run_together(*again_and_again) == [None] * 4

    assert [reading.answer.key for reading in readings_in(desks[0].store)] == [f"key-{n}" for n in range(JOBS)]
    assert at_odds(postgres_url) == {}


def test_two_servers_never_lease_one_job_to_two_readers(desks, postgres_url):
    names = ("adam", "carol", "eric", "gwenda")
    crew = [Reader(desk, name) for desk in desks for name in names]

    handed = run_together(*(lambda reader=reader: reader.meters(4) for reader in crew))
    handed += run_together(*(lambda reader=reader: reader.meters(8) for reader in crew))

    ours = [set(first) | set(second) for first, second in zip(handed[:8], handed[8:], strict=True)]
    assert sum(map(len, ours)) == len(set().union(*ours)) == JOBS
    assert at_odds(postgres_url) == {}


each_way_to_submit = pytest.mark.parametrize("submit", [Reader.submit, Reader.submit_and_next])


@each_way_to_submit
def test_an_answer_to_a_job_that_was_read_meanwhile_through_another_server_is_refused(submit, desks, postgres_url):
    crew, when = (Reader(desks[0], "adam"), Reader(desks[1], "carol")), desk_time(desks[0])

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = []
        for number, reader in enumerate(crew):  # both find that nobody has read it, and wait to say that they did
            submitting.append(start(lambda reader=reader: submit(reader, "M00000", when=when)))
            wait_until_waiting(postgres_url, number + 1)

    refused = [error for error in map(outcome_of, submitting) if isinstance(error, Error)]
    assert [type(error) for error in refused] == [AlreadyRead], refused
    assert len(readings_in(desks[0].store)) == 1
    assert at_odds(postgres_url) == {}


def test_a_job_that_was_read_meanwhile_through_another_server_is_not_handed_out_again(desks, postgres_url):
    carol, when = Reader(desks[0]), desk_time(desks[0])
    assert carol.meter() == "M00000"

    with row_held(postgres_url, THE_JOB, "M00000"):
        submitting = start(lambda: carol.submit("M00000", when=when))
        wait_until_waiting(postgres_url, 1)
        asking = start(lambda: carol.at(desks[1]).meter())
        wait_until_waiting(postgres_url, 2)

    assert submitting() is None
    assert outcome_of(asking) in ("M00000", "M00001")  # it was carol's until she had read it
    assert carol.meter() == "M00001"
    assert at_odds(postgres_url) == {}


def test_a_job_that_another_server_has_let_go_and_handed_out_meanwhile_stays_with_who_was_handed_it(
    desks, postgres_url, monkeypatch
):
    desks[0].store.write(lambda tx: tx.walks.assign([Assignment("North", name) for name in ("adam", "carol")]))
    carol, adam = Reader(desks[0]), Reader(desks[1], "adam")
    assert carol.meter() == "M00000"
    hand_out, handed = rounds.handed_out, []

    def late(*args):
        monkeypatch.undo()  # what the other server does, and a second try of this one, is not late
        as_office(desks[1], unread.release_jobs, unread.Release(meter="M00000"))
        handed.append(adam.meter())
        return hand_out(*args)

    monkeypatch.setattr(rounds, "handed_out", late)
    assert carol.meter() == "M00001"
    assert handed == ["M00000"]
    assert adam.submit("M00000", when=desk_time(desks[0])) is None
    assert at_odds(postgres_url) == {}


@pytest.mark.parametrize("call", ["a reading", "a lease"])
def test_nothing_is_kept_for_a_user_who_is_disabled_at_another_server_while_they_are_answered(
    call, desks, postgres_url, monkeypatch
):
    """Either what they ask is over before, and what was leased is free again, or it is refused."""
    carol, when = Reader(desks[0]), desk_time(desks[0])
    desks[0].sessions.forget([key_of(carol.session_id)])  # as a second later: it is read in the same transaction
    gather, disabling = PostgresTx.gather, []

    def late(tx, *args, **kwargs):
        facts = gather(tx, *args, **kwargs)
        if not disabling:
            disable = start(lambda: as_office(desks[1], accounts.disable_user, accounts.Username("carol")))
            wait_until(lambda: disable.is_there() or waiting_for_locks(postgres_url), "they are, or wait")
            disabling.append((disable, disable.is_there()))
        return facts

    monkeypatch.setattr(PostgresTx, "gather", late)
    outcome = outcome_of(carol.meter if call == "a lease" else lambda: carol.submit("M00000", when=when))
    [(disable, was_first)] = disabling
    disable()
    assert not was_first or isinstance(outcome, AccountDisabled), outcome
    assert desks[0].store.read(lambda tx: tx.leases.holders(0)) == {}


def test_a_wrong_password_waits_for_no_turn_that_has_a_session_of_its_user(desks, postgres_url):
    with row_held(postgres_url, "SELECT 1 FROM users WHERE username = 'carol' FOR SHARE"):  # as such a turn does
        failing = start(lambda: fail_to_log_in(desks[0], 1))
        wait_until(failing.is_there, "it is refused")
    failing()


def test_a_wrong_password_for_a_user_who_is_being_erased_brings_their_name_not_back(desks, postgres_url, monkeypatch):
    as_office(desks[0], accounts.disable_user, accounts.Username("carol"))
    erase, failing = SqlAudit.erase, []

    def beside(*args):
        erase(*args)
        failing.append(start(lambda: fail_to_log_in(desks[1], 1)))
        wait_until(lambda: failing[0].is_there() or waiting_for_locks(postgres_url), "it is refused, or waits")

    monkeypatch.setattr(SqlAudit, "erase", beside)
    as_office(desks[0], erasing.erase_user, accounts.Username("carol"))
    failing[0]()
    on_record = desks[0].store.read(lambda tx: tx.audit.unsealed(100))
    assert "carol" not in {told for entry in on_record for told in entry}


def test_an_entry_that_is_sealed_while_its_user_is_erased_brings_their_name_not_back(desks, postgres_url, monkeypatch):
    as_office(desks[0], accounts.disable_user, accounts.Username("carol"))
    name, erasing_her = SqlAudit.name, []

    def beside(*args):
        erasing_her.append(start(lambda: as_office(desks[1], erasing.erase_user, accounts.Username("carol"))))
        wait_until(lambda: erasing_her[0].is_there() or waiting_for_locks(postgres_url), "she is erased, or it waits")
        return name(*args)

    monkeypatch.setattr(SqlAudit, "name", beside)
    seal(desks[0].store)
    erasing_her[0]()
    assert "carol" not in {person.username for person in desks[0].store.read(lambda tx: tx.audit.people())}
