"""What every store promises: a transaction happens whole or not at all, and a read sees one moment."""

from datetime import date

import pytest
from conftest import (
    CYCLE,
    LEASED_UNTIL,
    NOW,
    SERVER,
    T0,
    add_readers,
    dump,
    import_jobs,
    make_account,
    make_job,
    make_jobs,
    make_lease,
    make_place,
    make_reading,
    make_session,
    opened_again,
    start,
)
from steps import READING, Failure, free_jobs, meters_of, record

from metermt.decisions import Setting
from metermt.errors import StoreError
from metermt.fieldnotes import Found, Note, Reason
from metermt.model import Assignment, Server, Status, Walk
from metermt.quality import Look
from metermt.rules.history import Read
from metermt.store import base


def everything(store):
    failures = store.read(lambda tx: tx.failures.of("carol", "10.0.0.1", 0))
    return dump(store) | {"failures": failures, "servers": store.read(lambda tx: tx.servers.all())}


def id_of(tx, meter):
    return tx.rounds.standings([meter])[0].job


# --- whole


@pytest.fixture
def busy(crew):
    """The crew in the middle of its work: every step would change something."""
    crew.lease("carol-1", "M00001", until=T0 + 60)
    crew.lease("carol-2", "M00003", until=LEASED_UNTIL)
    crew.sessions.leave(["carol-2"], SERVER)
    crew.sessions.add([make_session("adam-3", used_at=5)])
    crew.failures.add("carol", "10.0.0.1", 5.0, 0)
    crew.record(make_reading("M00000", key="k"))
    crew.servers.note(Server("here", "0.9", 2, T0))
    crew.places.put([make_place("M00001")])
    crew.notes.put_reasons([Reason("dog", "Hound")])
    crew.notes.add([Note("M00001", "old", "carol", NOW)])
    crew.cycles.open("2026-10")
    crew.walks.assign([Assignment("South", "carol")])
    crew.walks.go({"carol-1": Walk("South", True, True)})
    return crew.store


STEPS = {
    "accounts.put": lambda tx: tx.accounts.put([make_account(password_hash="new"), make_account("eric")]),
    "sessions.add": lambda tx: tx.sessions.add([make_session("carol-3"), make_session("adam-4")]),
    "sessions.note": lambda tx: tx.sessions.note({"carol-1": T0 + 9, "carol-2": T0 + 8}, "there"),
    "sessions.leave": lambda tx: tx.sessions.leave(["adam-1", "carol-1"], SERVER),
    "sessions.leave_all": lambda tx: tx.sessions.leave_all(SERVER),
    "sessions.end": lambda tx: tx.sessions.end(["carol-1", "carol-2", "adam-1"]),
    "sessions.forget": lambda tx: tx.sessions.forget(T0),
    "failures.add": lambda tx: tx.failures.add("carol", "10.0.0.1", 9.0, 6.0),
    "sessions.set_back": lambda tx: tx.sessions.set_back(T0 - 1, T0 - 5),
    "failures.forget": lambda tx: tx.failures.forget(["carol", "adam"]),
    "failures.forget_after": lambda tx: tx.failures.forget_after(4.0),
    "cycles.open": lambda tx: tx.cycles.open("2026-12"),
    "cycles.close": lambda tx: tx.cycles.close(CYCLE),
    "cycles.reopen": lambda tx: (tx.cycles.close(CYCLE), tx.cycles.reopen(CYCLE)),
    "cycles.remove": lambda tx: tx.cycles.remove("2026-10"),
    "cycles.set_seasons": lambda tx: tx.cycles.set_seasons(CYCLE, "{}"),
    "jobs.remove": lambda tx: tx.jobs.remove([id_of(tx, "M00004")]),
    "jobs.add": lambda tx: tx.jobs.add([make_job("B"), make_job("A", route="A")]),
    "jobs.change": lambda tx: tx.jobs.change([make_job(f"M0000{n}", route="A", dials=6) for n in (0, 1, 2)]),
    "jobs.set_limits": lambda tx: tx.jobs.set_limits({id_of(tx, "M00001"): "{}", id_of(tx, "M00002"): "{}"}),
    "rounds.skip": lambda tx: tx.rounds.skip([id_of(tx, "M00001"), id_of(tx, "M00002")]),
    "walks.assign": lambda tx: tx.walks.assign([Assignment("South", "carol", True), Assignment("West", "adam")]),
    "walks.unassign": lambda tx: tx.walks.unassign([("South", "carol"), ("South", "adam")]),
    "walks.go": lambda tx: tx.walks.go({"adam-1": Walk("South", True), "carol-1": Walk("West")}),
    "walks.stop_all": lambda tx: tx.walks.stop_all(),
    "notes.put_reasons": lambda tx: tx.notes.put_reasons([Reason("dog", "Dogs", True), Reason("bees", "Bees")]),
    "notes.add": lambda tx: tx.notes.add([Note("M00001", "new", "adam", NOW), Note("M00001", "newer", "adam", NOW)]),
    "finds.add": lambda tx: tx.finds.add([Found("E8", "E", 5, 7, "shed", "adam", NOW)]),
    "places.put": lambda tx: tx.places.put([make_place("M00001", route="South"), make_place("B")]),
    "places.add_history": lambda tx: tx.places.add_history([("M00001", Read(date(2026, 10, 1), 7))]),
    "readings.ask_again": lambda tx: tx.readings.ask_again({id_of(tx, "M00001"): Look("carol", 7, "k")}),
    "settings.add": lambda tx: tx.settings.add(Setting("s", "2", "carol", NOW)),
    "leases.end_expired": lambda tx: tx.leases.end_expired(T0 + 60),
    "leases.put": lambda tx: tx.leases.put(
        [make_lease(id_of(tx, "M00001"), session="carol-2"), make_lease(id_of(tx, "M00002"), "adam")]
    ),
    "leases.shorten": lambda tx: tx.leases.shorten(T0 + 60, T0 + 70),
    "leases.end": lambda tx: tx.leases.end([id_of(tx, "M00001"), id_of(tx, "M00003")]),
    "leases.end_of": lambda tx: tx.leases.end_of(["carol-1", "carol-2"]),
    "readings.add": lambda tx: record(tx, [make_reading("M00000", value=7), make_reading("M00001", key="new")]),
    "servers.note": lambda tx: tx.servers.note(Server("here", "1.0", 3, T0 + 1)),
    "servers.forget": lambda tx: tx.servers.forget(["here", "there"]),
    "readings.count": lambda tx: record(tx, [make_reading("M00001", "adam"), make_reading("M00003", "adam")]),
}


@pytest.mark.parametrize("step", STEPS)
def test_what_a_transaction_has_done_when_it_raises_is_taken_back(busy, step):
    before = everything(busy)
    error = Failure()

    def work(tx):
        STEPS[step](tx)
        raise error

    with pytest.raises(Failure) as caught:
        busy.write(work)
    assert caught.value is error
    assert everything(busy) == before
    busy.write(STEPS[step])
    assert everything(busy) != before, "this step was not tried: it changes nothing"


def test_every_step_that_changes_something_was_tried():
    # The office is not in the store in memory; a database takes its steps back as any other.
    groups = {
        name: getattr(base, name.title())
        for name in base.Tx.__slots__
        if name not in ("office", "devices", "billing", "batches", "audit", "overview", "changes")
    }
    steps = {f"{name}.{step}" for name, group in groups.items() for step in group.__abstractmethods__ - READING}
    assert set(STEPS) == steps - {"finds.settle"}


def test_many_steps_are_taken_back_as_one(busy):
    before = everything(busy)

    def work(tx):
        for step in (name for name in STEPS if name not in ("cycles.close", "readings.count")):
            STEPS[step](tx)
        tx.cycles.close(CYCLE)
        raise Failure

    with pytest.raises(Failure):
        busy.write(work)
    assert everything(busy) == before


def test_a_key_of_a_transaction_that_failed_is_not_used_up(busy):
    def work(tx):
        record(tx, [make_reading("M00002", key="new")])
        raise Failure

    with pytest.raises(Failure):
        busy.write(work)
    assert busy.read(lambda tx: tx.readings.by_key([("carol", "new")])) == {}
    busy.write(lambda tx: record(tx, [make_reading("M00004", key="new")]))
    assert [meter for _, meter in busy.read(lambda tx: tx.readings.by_key([("carol", "new")]))] == ["new"]


def test_a_transaction_that_is_interrupted_is_taken_back(busy):
    """Ctrl+C in a program of one's own."""
    before = everything(busy)

    def work(tx):
        STEPS["readings.add"](tx)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        busy.write(work)
    assert everything(busy) == before
    busy.write(STEPS["readings.add"])
    assert everything(busy) != before


def test_a_step_that_was_caught_failing_by_its_own_work_is_no_failure(busy):
    def work(tx):
        tx.accounts.put([make_account("eric")])
        with pytest.raises(Failure):
            raise Failure
        return "done"

    assert busy.write(work) == "done"
    assert "eric" in everything(busy)["accounts"]


def test_a_transaction_returns_what_its_work_returned(store):
    returned = object()
    assert store.write(lambda _: returned) is returned
    assert store.read(lambda _: returned) is returned


def test_a_step_sees_what_the_steps_before_it_have_done(store):
    def work(tx):
        tx.accounts.put([make_account()])
        tx.sessions.add([make_session()])
        tx.cycles.open(CYCLE)
        tx.jobs.add(make_jobs(3))
        first, *_ = free_jobs(tx)[:1]
        tx.leases.put([make_lease(first.id)])
        assert tx.sessions.find(["carol-1"]) == {"carol-1": make_session()}
        assert tx.leases.held({"carol-1": 1}) == {"carol-1": [first]}
        assert meters_of(free_jobs(tx)) == ["M00001", "M00002"]
        record(tx, [make_reading("M00000", key="k")])
        assert tx.leases.held({"carol-1": 1}) == {}
        assert list(tx.readings.by_key([("carol", "k")])) == [("carol", "k")]
        return tx.readings.tallies(["carol"])

    assert store.write(work) == {"carol": Status(1, 1)}


# --- read and written


def test_what_a_write_kept_is_there_for_others_when_it_returns(store):
    with opened_again(store) as other:
        add_readers(store, "adam", "carol")
        import_jobs(store, CYCLE, make_jobs(3))
        assert everything(other) == everything(store)
        other.write(lambda tx: record(tx, [make_reading("M00001", key="k")]))
        assert everything(store)["readings"] == [(make_jobs(2)[1], make_reading("M00001", key="k"))]
        assert everything(other) == everything(store)


def test_nothing_is_kept_by_who_only_reads(crew):
    before = everything(crew.store)
    with pytest.raises(StoreError):
        crew.store.read(lambda tx: tx.accounts.put([make_account("eric")]))
    assert everything(crew.store) == before


def test_a_read_that_raises_hinders_nobody(crew):
    def work(tx):
        tx.accounts.users()
        raise Failure

    for _ in range(3):
        with pytest.raises(Failure):
            crew.store.read(work)
    STEPS["accounts.put"](crew)
    assert "eric" in everything(crew.store)["accounts"]


def test_who_reads_sees_one_moment_whatever_is_written_meanwhile(crew):
    def everything_at_once(tx):
        return list(tx.readings.all(None)), tx.readings.tallies(["carol"]), free_jobs(tx)

    def work(tx):
        first = everything_at_once(tx)
        writing = start(lambda: crew.record(make_reading("M00000")))
        for _ in range(1000):  # some stores let others write meanwhile, others have them wait
            assert everything_at_once(tx) == first
            if writing.is_there():
                break
        assert everything_at_once(tx) == first
        return first, writing

    (readings, tallies, free), writing = crew.store.read(work)
    writing()
    assert (readings, tallies, len(free)) == ([], {"carol": Status(0, 0)}, 5)
    assert crew.readings.tallies(["carol"]) == {"carol": Status(1, 1)}


# --- the store itself


def test_a_backup_never_replaces_a_file(crew, tmp_path):
    there = tmp_path / "backup.db"
    there.write_bytes(b"last month's")
    before = dump(crew.store)
    with pytest.raises(StoreError, match=r"backup\.db"):
        crew.store.backup(there)
    assert there.read_bytes() == b"last month's"
    assert dump(crew.store) == before


def test_closing_a_store_twice_is_harmless(store):
    with opened_again(store) as other, other as same:
        assert same is other
    other.close()
    other.close()
