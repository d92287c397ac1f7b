"""What was done is on record along with it, and what is on record cannot be changed without being found out."""

import hashlib
import json
import re
from datetime import date

import psycopg
import pytest
from conftest import CYCLE, NOW, make_jobs, make_place
from databases import raw
from readers import Reader, as_office, fail_to_log_in, log_in
from servers import fill

from metermt import heartbeat
from metermt.audit import Entry, What
from metermt.calls import (
    accounts,
    audit,
    batches,
    credentials,
    cycles,
    erasing,
    estimating,
    exchanges,
    found,
    limits,
    meters,
    notes,
    opening,
    places,
    readings,
    reasons,
    review,
    rounds,
    routes,
    sessions,
    settings,
    unread,
    walks,
)
from metermt.calls.asking import Ask, Caller, Weight
from metermt.calls.desk import Desk
from metermt.calls.table import CALLS
from metermt.decisions import Verdict
from metermt.errors import StoreError, SubmissionError, UserError
from metermt.fieldnotes import Reason
from metermt.model import Answer, Role, User
from metermt.store.postgres.store import PostgresStore
from metermt.store.sqlite.store import SqliteStore

NOT_ON_RECORD = {
    **dict.fromkeys(("get_job", "next_job", "get_jobs"), "who is handed what until when changes nothing that was said"),
    "skip_job": "the job comes again, and its reading is on record then",
    "replay_limits": "it keeps nothing",
    "make_report": "likewise",
    "verify_audit": "it gives entries their places, and adds none",
}


@pytest.fixture(params=["sqlite_store", "shared_postgres_store"])
def town(request, clock, demo_accounts, hasher):
    """A desk with five meters to be read, and the demo's users."""
    return Desk(fill(request.getfixturevalue(request.param), demo_accounts, make_jobs(5)), clock=clock)


def told(desk, subject=None):
    """Return what is on record: by whom, what, about what, about whom, what it was and is."""
    audit.seal(desk.store)
    shown = as_office(desk, audit.list_entries, audit.Entries(subject=subject))
    return [(one.who, one.what, one.about, one.whom, one.before, one.after) for one in shown]


def verified(desk, noted=None):
    return as_office(desk, audit.verify_audit, audit.Verifying(noted))


def approve_all(desk):
    waiting = as_office(desk, review.list_waiting, review.Reviewed()).waiting
    said = [review.Said(one.reading, Verdict.APPROVE) for one in waiting]
    as_office(desk, review.decide, review.Decisions(said))


def run(desk, *statements):
    """Do to the database what no command does; return the rows of the last statement."""
    rows = []
    if isinstance(desk.store, SqliteStore):
        with raw(desk.store.path) as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
    else:
        with psycopg.connect(desk.store.url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
    return rows


def rows_of(desk, table):
    return run(desk, f"SELECT * FROM {table}")


def tables_of(desk):
    in_sqlite = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    in_postgres = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return [name for (name,) in run(desk, in_sqlite if isinstance(desk.store, SqliteStore) else in_postgres)]


def everything(carol, adam):
    """Return a request for every call that keeps something and is on record, and who asks, if not the office."""
    carol.ask(found.report_found, found.FoundMeter("X2", "", None, None, "in the shed"))
    return {
        "import_places": (places.Places([make_place("M00004"), make_place("P2")]),),
        "import_history": (
            places.Past([places.Shown("M00004", date(2026, month, 1), month) for month in range(1, 11)]),
        ),
        "import_jobs": (routes.Import(CYCLE, make_jobs(6)),),
        "remove_jobs": (routes.Removal(CYCLE, ["M00005"]),),
        "assign_route": (walks.Assigning("North", ["carol"]),),
        "unassign_route": (walks.Assigning("North", ["carol"]),),
        "release_jobs": (unread.Release(username="carol"),),
        "open_cycle": (opening.Opening("2026-12"),),
        "renew_limits": (limits.Renewal("2026-12"),),
        "close_cycle": (cycles.Closing("2026-12", force=True),),
        "reopen_cycle": (cycles.Cycle("2026-12"),),
        "remove_cycle": (cycles.Cycle("2026-12"),),
        "set_sensitivity": (settings.Sensitivity(2.0),),
        "add_reason": (Reason("bees", "Bees"),),
        "retire_reason": (reasons.Retiring("bees"),),
        "login": (sessions.Login("gwenda", "gwenda"), carol),
        "submit_reading": (Answer("M00000", 5), carol),
        "submit_readings": (readings.Answers([Answer("M00001", 5), Answer("M00003", None, "dog")]), carol),
        "submit_and_next": (Answer("M00002", None, "dog"), carol),
        "leave_note": (notes.Noted("M00000", "ring twice"), carol),
        "report_found": (found.FoundMeter("X1", "", None, None, "in the barn"), carol),
        "accept_found": (found.Accepting(2, "North", 9),),
        "dismiss_found": (found.Dismissing(1, "a water butt"),),
        "add_meter": (make_place("P3"),),
        "move_meter": (meters.Moving("P3", "South", 1),),
        "switch_meter": (meters.Switching("P3", active=False),),
        "exchange_meter": (exchanges.MeterExchange("P2", "P9", 7, 0, NOW.date()),),
        "decide": (review.Decisions([review.Said(4, Verdict.APPROVE), review.Said(3, Verdict.REREAD)]),),
        "estimate_readings": (estimating.Estimating(meters=["M00004"], cycle=CYCLE, on=NOW.date()),),
        "correct_reading": (review.Correction("M00001", 7, "photograph"),),
        "give_up_reread": (review.GivingUp("M00003", "pulled down"),),
        "make_batch": (batches.Batching("csv", "name = 'csv'"),),
        "change_password": (accounts.ChangedPassword("adam", "new"), adam),
        "logout": (None, adam),
        "add_user": (accounts.NewUser(User("zoe", "Zoe"), "zoe"),),
        "set_password": (accounts.NewPassword("zoe", "new"),),
        "set_role": (accounts.NewRole("zoe", Role.ADMIN),),
        "rename_user": (accounts.NewName("zoe", "Zoe Z"),),
        "enable_user": (accounts.Username("eric"),),
        "unlock_user": (accounts.Username("zoe"),),
        "disable_user": (accounts.Username("zoe"),),
        "erase_user": (accounts.Username("zoe"),),
    }


def test_every_call_that_keeps_something_is_on_record(sqlite_store, clock, demo_accounts, hasher):
    desk = Desk(fill(sqlite_store, demo_accounts, make_jobs(5)), clock=clock)
    as_office(desk, accounts.disable_user, accounts.Username("eric"))
    carol, adam = Reader(desk), Reader(desk, "adam")
    asked = everything(carol, adam)
    keep = {name for name, call in CALLS.items() if call.weight in (Weight.WRITE, Weight.LONG)}
    assert keep == asked.keys() | NOT_ON_RECORD.keys()
    for name, (request, *reader) in asked.items():
        before = len(told(desk))
        reader[0].ask(CALLS[name], request) if reader else as_office(desk, CALLS[name], request)
        assert len(told(desk)) > before, name
    assert verified(desk).fault is None


def test_an_entry_tells_who_did_what_from_where_and_what_was_there_before(town):
    carol = Reader(town, address="10.0.0.7")
    carol.submit("M00000", 5)
    carol.submit("M00000", 7)
    carol.submit("M00000", None, "dog")
    as_office(town, review.correct_reading, review.Correction("M00000", 9, "photograph"))
    assert told(town, "M00000") == [
        ("carol", "reading", "M00000", "", "", f"{CYCLE}: 5"),
        ("carol", "correction", "M00000", "", f"{CYCLE}: 5", f"{CYCLE}: 7"),
        ("carol", "correction", "M00000", "", f"{CYCLE}: 7", f"{CYCLE}: dog"),
        ("", "decision", "M00000", "carol", f"{CYCLE}: dog", f"{CYCLE}: 9 (edit: photograph)"),
    ]
    shown = as_office(town, audit.list_entries, audit.Entries(subject="carol"))
    assert [(one.what, one.address, one.at) for one in shown][:2] == [
        ("login", "10.0.0.7", NOW.isoformat()),
        ("reading", "10.0.0.7", NOW.isoformat()),
    ]
    assert as_office(town, audit.list_entries, audit.Entries(shown[-1].place - 1, "carol")) == shown[-1:]
    assert not as_office(town, audit.list_entries, audit.Entries(since=NOW.replace(year=2027)))


def test_what_is_refused_taken_back_or_sent_twice_is_not_on_record(town):
    carol = Reader(town)
    before = told(town)
    carol.submit("M00000", 5, key="k")
    carol.submit("M00000", 5, key="k")
    with pytest.raises(SubmissionError, match="Unknown meter"):
        carol.submit("G1", 5)

    def fail(turn):
        turn.record(Ask(settings.set_sensitivity, Caller(), "", None), What.SETTING)
        raise StoreError("no")

    with pytest.raises(StoreError):
        town.write(fail)
    assert len(told(town)) == len(before) + 1


def test_logins_that_fail_are_on_record_for_users_that_exist(town):
    fail_to_log_in(town, 1, "carol")
    fail_to_log_in(town, 1, "nobody")
    log_in(town, "carol")
    assert told(town) == [("", "login failed", "", "carol", "", ""), ("carol", "login", "", "", "", "")]


TAMPERED = {
    "UPDATE audit SET after = '2026-11: 6' WHERE place = 3": "Entry 3 .*is not the one",
    "UPDATE audit SET who = NULL WHERE place = 2": "Entry 2 ",
    "UPDATE audit SET whom = 99 WHERE place = 2": "Entry 2 .*not in the list of names: 99",
    "DELETE FROM audit WHERE place = 2": "Entry 2 is missing",
    "UPDATE audit SET hash = '' WHERE place = 4": "Entry 4 ",
    "UPDATE names SET username = 'adam2'": "The name 'adam2' is not the one",
    "UPDATE names SET username = 'erased-1', salt = NULL": "The name 'erased-1' is not the one",
    "UPDATE names SET mark = 'x'": "Entry 1 ",
    "INSERT INTO audit SELECT 6, at, who, address, what, about, whom, before, after, hash FROM audit WHERE place = 5": (
        "Entry 6 "
    ),
}


def test_what_somebody_has_changed_in_the_database_is_named(town):
    carol = Reader(town)
    for number in range(4):
        carol.submit(f"M0000{number}", 5)
    whole = verified(town)
    assert (whole.count, whole.fault) == (5, None)
    tables = {name: rows_of(town, name) for name in ("audit", "names")}
    for statement, words in TAMPERED.items():
        run(town, statement)
        assert_fault(town, words)
        _restore(town, tables)
    run(town, *(f"UPDATE audit SET place = {b} WHERE place = {a}" for a, b in ((2, 99), (3, 2), (99, 3))))
    assert_fault(town, "Entry 2 ")
    _restore(town, tables)
    assert verified(town) == whole
    run(town, "DELETE FROM audit WHERE place = 5")
    assert verified(town).fault is None, "of the end only a noted hash tells"
    assert_fault(town, "No entry has the hash", whole.hash)


def assert_fault(desk, words, noted=None):
    fault = verified(desk, noted).fault
    assert fault, words
    assert re.match(words, fault), fault


def _restore(desk, tables):
    def quoted(value):
        return "NULL" if value is None else repr(value)

    rows = [
        f"INSERT INTO {table} VALUES ({', '.join(map(quoted, row))})"
        for table, there in tables.items()
        for row in there
    ]
    run(desk, *(f"DELETE FROM {table}" for table in tables), *rows)


def test_one_server_seals_at_a_time_and_an_entry_that_comes_late_is_sealed_later(new_database, demo_accounts, hasher):
    url = new_database()
    with PostgresStore(url) as store, PostgresStore(url) as other, psycopg.connect(url) as late:
        desk = Desk(fill(store, demo_accounts, make_jobs(5)))
        late.execute(
            "INSERT INTO unsealed (at, who, address, what, about, whom, before, after)"
            " VALUES ('2026-11-20T10:00:00+00:00', 'adam', '', 'setting', '', '', '', '')"
        )
        Reader(desk).submit("M00000")
        audit.seal(store)
        late.commit()
        Reader(desk).submit("M00001")

        def seal_beside(tx):
            assert tx.audit.may_seal()
            audit.seal(other)
            return tx.audit.last()[0]

        assert store.write(seal_beside) == 2, "the other one has not sealed anything"
        audit.seal(other)
        assert [what for _, what, *_ in told(desk)] == ["login", "reading", "setting", "login", "reading"]
        assert verified(desk).fault is None


def test_parts_of_five_hundred_entries_are_sealed_as_one_chain(sqlite_store):
    entries = [Entry(NOW.isoformat(), "", "", What.SETTING, str(number)) for number in range(1_001)]
    sqlite_store.write(lambda tx: tx.audit.add(entries))
    audit.seal(sqlite_store)
    desk = Desk(sqlite_store)
    assert (verified(desk).count, verified(desk).fault) == (1_001, None)
    first = as_office(desk, audit.list_entries, audit.Entries())
    assert len(first) == 1_000
    assert [one.about for one in as_office(desk, audit.list_entries, audit.Entries(1_000))] == ["1000"]


def test_what_a_server_cannot_seal_when_it_ends_is_logged_as_that(sqlite_store, monkeypatch, caplog):
    def broken(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(heartbeat, "seal", broken)
    with heartbeat.heartbeat(Desk(sqlite_store)):
        pass
    assert caplog.messages == ["what was put on record last gets its place in the chain later: the disk is full"]


def test_the_chain_can_be_computed_from_what_the_docs_say(town):
    """By another program, which has nothing but the lines of an export."""
    Reader(town).submit("M00000", None, 'Größe \\ "\N{DOG}"')
    audit.seal(town.store)
    last = "0" * 64
    for one in as_office(town, audit.list_entries, audit.Entries()):
        fields = [one.at, one.who_mark, one.address, one.what, one.about, one.whom_mark, one.before, one.after]
        last = hashlib.sha256(
            (last + json.dumps(fields, separators=(",", ":"), ensure_ascii=False)).encode()
        ).hexdigest()
        assert last == one.hash
    assert verified(town).hash == last


def test_a_person_who_is_erased_is_found_nowhere_and_the_chain_still_verifies(town):
    carol = Reader(town, "carol", "10.0.0.7")
    for number in range(3):
        carol.submit(f"M0000{number}", 5, key=f"key-{number}")
    approve_all(town)
    as_office(town, batches.make_batch, batches.Batching("csv", "name = 'csv'"))
    before = verified(town)
    carol.submit("M00003", None, "dog")  # not sealed yet
    carol.ask(rounds.get_job)
    with pytest.raises(UserError, match="carol may log in: disable them first"):
        as_office(town, erasing.erase_user, accounts.Username("carol"))
    as_office(town, accounts.disable_user, accounts.Username("carol"))
    assert as_office(town, erasing.erase_user, accounts.Username("carol")) == "erased-1"

    after = verified(town, before.hash)
    assert after.fault is None
    assert after.count > before.count
    assert [(who, what) for who, what, *_ in told(town, "erased-1")][:3] == [
        ("erased-1", "login"),
        ("erased-1", "reading"),
        ("erased-1", "reading"),
    ]
    assert ("", "user erased", "", "erased-1", "", "") in told(town)
    assert tables_with(town, "carol") == {"batch_lines"}
    for call, request in (
        (accounts.enable_user, accounts.Username("erased-1")),
        (accounts.rename_user, accounts.NewName("erased-1", "Carol")),
        (erasing.erase_user, accounts.Username("erased-1")),
        (erasing.erase_user, accounts.Username("carol")),
        (accounts.add_user, accounts.NewUser(User("erased-9", "E"), "p")),
    ):
        with pytest.raises(UserError, match=r"erased|no user"):
            as_office(town, call, request)
    as_office(town, accounts.add_user, accounts.NewUser(User("carol", "Another Carol"), "p"))
    assert verified(town, after.hash).fault is None, "a new carol is somebody else"


def test_who_has_done_all_that_the_office_can_do_is_found_nowhere_once_erased(
    sqlite_store, clock, demo_accounts, hasher
):
    desk = Desk(fill(sqlite_store, demo_accounts, make_jobs(5)), clock=clock)
    as_office(desk, accounts.disable_user, accounts.Username("eric"))
    as_office(desk, accounts.add_user, accounts.NewUser(User("olga", "Olga Office", role=Role.ADMIN), "olga"))
    carol, adam, olga = Reader(desk), Reader(desk, "adam"), Reader(desk, "olga")
    for name, (request, *reader) in everything(carol, adam).items():
        (reader[0] if reader else olga).ask(CALLS[name], request)
    assert {"batches", "decisions", "exchanges", "found", "readings", "settings"} <= tables_with(desk, "olga")
    as_office(desk, accounts.disable_user, accounts.Username("olga"))
    as_office(desk, erasing.erase_user, accounts.Username("olga"))
    assert tables_with(desk, "olga") == {"batch_lines"}


def tables_with(desk, name):
    return {table for table in tables_of(desk) if name in str(rows_of(desk, table)).lower()}


def test_a_wrong_password_that_is_tried_while_a_name_is_erased_does_not_bring_it_back(town, monkeypatch):
    def erase(*_args):
        as_office(town, accounts.disable_user, accounts.Username("carol"))
        as_office(town, erasing.erase_user, accounts.Username("carol"))
        return False

    monkeypatch.setattr(credentials, "verify_password", erase)
    fail_to_log_in(town, 1, "carol")
    assert not [row for table in ("unsealed", "names") for row in rows_of(town, table) if "carol" in str(row)]
