"""A copy of a whole database in a new one, of the same kind or the other."""

import itertools
import os
import re
from functools import cache

import psycopg
import pytest
from conftest import CYCLE, dump, import_jobs, make_account, make_job, make_reading, start
from copies import contents, fill_all_tables, fill_with, foreign_keys, without_servers
from databases import limited_file_size, raw
from steps import Steps, free_jobs, record

from metermt.config import is_url
from metermt.errors import NotAStore, SettingError, StoreAway, StoreError, StoreLocked, StoreTooNew
from metermt.store.copying import copy_database
from metermt.store.opening import open_store
from metermt.store.sqlite.store import SqliteStore

KINDS = ["sqlite", "postgres"]
WAYS = [(source, target) for source in KINDS for target in KINDS]


@pytest.fixture
def place(tmp_path, new_database):
    """Returns where there is no database yet, of a kind."""
    numbers = itertools.count()
    return lambda kind: new_database() if kind == "postgres" else tmp_path / f"{next(numbers)}.db"


@pytest.fixture(scope="module")
def large(tmp_path_factory, cluster):
    """Returns where there is a database of a kind with 3,000 readings, which is only read: it is filled once."""
    name = f"large_{os.getpid()}"

    @cache
    def large(kind):
        place = cluster.create(name) if kind == "postgres" else tmp_path_factory.mktemp("large") / "large.db"
        return fill_with(place, 3000)

    yield large
    cluster.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def copy(source, target):
    return copy_database(source, target, lambda _done, _total: None)


def dump_of(place):
    with open_store(place, create=False) as store:
        return dump(store)


def once(work, share):
    """Return what does this when so much of a copy is done."""
    begun = []

    def progress(done, total):
        if done >= share * total and not begun:
            begun.append(True)
            work()

    return progress


# --- what is in a copy


@pytest.mark.parametrize(("kind", "other"), WAYS)
def test_a_copy_has_every_row_with_its_id_and_there_and_back_it_is_the_same(kind, other, place):
    source, there, back = fill_all_tables(place(kind)), place(other), place(kind)
    before = contents(source)
    assert all(before.values()), "a table has nothing in it to be copied"

    counts = copy(source, there)
    copy(there, back)

    assert contents(source) == before
    assert contents(there) == contents(back) == without_servers(before)
    assert counts == {table: len(rows) for table, rows in sorted(before.items()) if table != "servers"}
    assert dump_of(back) == dump_of(there)


@pytest.mark.parametrize(("kind", "other"), WAYS)
def test_a_copy_dumps_as_what_it_was_made_of_once_nobody_is_connected_with_that(kind, other, place):
    source, target = fill_all_tables(place(kind)), place(other)
    with open_store(source) as store:
        Steps(store).sessions.leave_all("here")

    copy(source, target)

    assert dump_of(target) == dump_of(source)


@pytest.mark.parametrize(("kind", "other"), WAYS)
def test_a_copy_is_a_database_to_go_on_with(kind, other, place, expected_errors):
    source, target = fill_all_tables(place(kind)), place(other)
    copy(source, target)

    with open_store(target, create=False) as store:
        old = {job.id for job in store.read(free_jobs)}
        ids = import_jobs(store, CYCLE, [make_job("Z1")])
        store.write(lambda tx: record(tx, [make_reading("Z1", "adam", key="new")]))
        with pytest.raises(StoreError):
            store.write(lambda tx: tx.readings.add([(10**9, make_reading("Z1", "adam"))]))

    assert ids["Z1"] > max(old)
    readings = contents(target)["readings"]
    assert max(row["id"] for row in readings) == next(row["id"] for row in readings if row["key"] == "new")


@pytest.mark.parametrize(("kind", "other"), WAYS)
def test_a_database_with_nothing_in_it_is_copied_too(kind, other, place):
    source, target = place(kind), place(other)
    open_store(source).close()

    assert set(copy(source, target).values()) == {0}

    with open_store(target, create=False) as store:
        assert import_jobs(store, CYCLE, [make_job("Z1")]) == {"Z1": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_of_the_moment_when_it_began(kind, place):
    source, target = fill_with(place(kind), 3000), place("sqlite")
    before = contents(source)
    with open_store(source) as store:
        steps = Steps(store)
        copy_database(source, target, lambda done, _total: steps.accounts.put([make_account(f"user{done}")]))

    assert contents(target)["users"] == before["users"]
    assert len(contents(source)["users"]) > len(before["users"])


def test_progress_is_told_from_the_first_thousand_rows_to_the_last_row(large, place):
    source = large("sqlite")
    told = []

    counts = copy_database(source, place("sqlite"), lambda *progress: told.append(progress))

    total = 2 * sum(counts.values())
    assert told == sorted(told)
    assert told[-1] == (total, total)
    assert len(told) > 10


def test_both_databases_have_the_same_tables_and_columns(place):
    # Else something would be missing in a copy.
    found = [{table: set(rows[0]) for table, rows in contents(fill_all_tables(place(kind))).items()} for kind in KINDS]

    assert found[0] == found[1]


# --- what cannot be copied, or copied to


@pytest.mark.parametrize(("kind", "other"), WAYS)
def test_what_has_something_in_it_is_never_copied_to(kind, other, place):
    source, target = fill_all_tables(place(kind)), fill_with(place(other), 10)
    before = contents(target)

    words = "has something in it: choose an empty one" if is_url(target) else "exists already: choose a new name"
    for there in (target, *([source] if kind == other else [])):
        with pytest.raises(StoreError, match=words):
            copy(source, there)

    assert contents(target) == before


def test_a_database_of_someone_else_is_never_copied_to(place, cluster):
    source, target = fill_all_tables(place("sqlite")), place("postgres")
    name = target.rpartition("/")[2]
    cluster.ask("CREATE TABLE theirs (number INTEGER)", database=name)

    with pytest.raises(NotAStore, match="is not a MeterMT database: choose an empty one"):
        copy(source, target)

    assert list(contents(target)) == ["theirs"]


def test_an_empty_database_that_was_set_up_can_be_copied_to(place):
    source, target = fill_all_tables(place("sqlite")), place("postgres")
    open_store(target).close()
    references = foreign_keys(target)

    copy(source, target)

    assert contents(target) == without_servers(contents(source))
    assert foreign_keys(target) == references


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_what_an_older_file_of_the_name_has_left_is_not_taken_for_a_part_of_the_copy(ending, place, tmp_path):
    source = fill_all_tables(place("sqlite"))
    (tmp_path / f"copy.db{ending}").write_text("of last month")

    with pytest.raises(StoreError, match=f"copy.db{ending} exists already"):
        copy(source, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("target", KINDS)
def test_what_is_no_database_of_ours_cannot_be_copied(target, place, tmp_path, cluster):
    newer, text, empty = (tmp_path / name for name in ("newer.db", "text.db", "empty.db"))
    SqliteStore(newer).close()
    with raw(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    text.write_text("Dear Sir or Madam,\n" * 100)
    empty.touch()
    theirs, newer_url = place("postgres"), place("postgres")
    cluster.ask("CREATE TABLE theirs (number INTEGER)", database=theirs.rpartition("/")[2])
    open_store(newer_url).close()
    cluster.ask("UPDATE metermt_schema SET version = 99", database=newer_url.rpartition("/")[2])
    before = {path: path.read_bytes() for path in (newer, text, empty)}
    there = place(target)

    for source, error, words in [
        (newer, StoreTooNew, "was made by a newer version of MeterMT"),
        (text, NotAStore, "is not a MeterMT database"),
        (empty, StoreError, "is empty"),
        (tmp_path / "missing.db", StoreError, "There is no database"),
        (newer_url, StoreTooNew, "was made by a newer version of MeterMT"),
        (theirs, NotAStore, "is not a MeterMT database"),
        (place("postgres"), StoreError, "is empty"),
        ("postgresql://metermt@127.0.0.1:1/metermt", StoreAway, "cannot be reached"),
        ("postgresql://metermt@127.0.0.1:port/metermt", SettingError, "Invalid database"),
    ]:
        with pytest.raises(error, match=words):
            copy(source, there)

    assert {path: path.read_bytes() for path in before} == before
    assert contents(there) == {} if is_url(there) else not there.exists()


# --- a copy that comes to an end too early leaves nothing


def assert_is_new(place):
    """Check that there is nothing that could be taken for a database."""
    assert contents(place) == {} if is_url(place) else not list(place.parent.glob(f"{place.name}*"))


class Interruption(BaseException):
    """What ends a program, like Ctrl+C."""


@pytest.mark.parametrize(("kind", "other"), [("sqlite", "postgres"), ("postgres", "sqlite")])
@pytest.mark.parametrize("share", [0.2, 0.8], ids=["while rows are written", "while rows are read back"])
def test_a_copy_that_is_interrupted_leaves_nothing(kind, other, share, large, place):
    source, target = large(kind), place(other)

    def interrupt():
        raise Interruption

    with pytest.raises(Interruption):
        copy_database(source, target, once(interrupt, share))

    assert_is_new(target)
    copy(source, target)
    assert contents(target) == without_servers(contents(source))


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_finds_the_disk_full_leaves_nothing(kind, large, place):
    source, target = large(kind), place("sqlite")

    with limited_file_size(300_000), pytest.raises(StoreError) as caught:
        copy(source, target)

    assert str(target) in str(caught.value)
    assert_is_new(target)


@pytest.mark.parametrize(
    ("table", "trigger", "words"),
    [
        ("readings", "NEW.value := NEW.value + 1; RETURN NEW;", "10 rows there, 10 read, 10 in the copy"),
        ("sessions", "RETURN NULL;", "4 rows there, 4 read, 0 in the copy"),
    ],
    ids=["other values", "no rows"],
)
def test_a_copy_that_is_not_what_was_read_is_given_up(table, trigger, words, place):
    source, target = fill_with(place("sqlite"), 10), place("postgres")
    open_store(target).close()
    with psycopg.connect(target) as connection:
        connection.execute(
            f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {trigger} END $$;"
            f"CREATE TRIGGER spoil BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION spoil()"
        )
    references = foreign_keys(target)

    with pytest.raises(StoreError, match=f"The table {table} was not copied as it is, so nothing was: {words}"):
        copy(source, target)

    assert not any(contents(target).values())
    assert foreign_keys(target) == references


def test_a_copy_that_refers_to_what_is_missing_is_given_up(place):
    source = fill_with(place("sqlite"), 10)
    with raw(source) as connection:
        connection.execute("PRAGMA foreign_keys = OFF; DELETE FROM users WHERE username = 'carol'")

    for target in (place("sqlite"), place("postgres")):
        with pytest.raises(StoreError, match=r"refer to rows that are missing|violates foreign key"):
            copy(source, target)
        assert_is_new(target)


@pytest.mark.parametrize(
    ("kind", "other", "side"),
    [("postgres", "sqlite", "source"), ("sqlite", "postgres", "target"), ("postgres", "postgres", "source")],
)
def test_a_copy_whose_connection_is_cut_leaves_nothing(kind, other, side, large, place, cluster):
    source, target = large(kind), place(other)
    cut = source if side == "source" else target

    def terminate():
        database = cut.rpartition("/")[2]
        cluster.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database)

    with pytest.raises(StoreAway, match=f"{re.escape(cut)} cannot be reached: "):
        copy_database(source, target, once(terminate, 0.3))

    assert_is_new(target)
    copy(source, target)
    assert contents(target) == without_servers(contents(source))


# --- several at once


def test_of_two_copies_to_one_file_at_once_one_is_made_and_it_is_whole(large, place, tmp_path):
    source, other = large("sqlite"), fill_with(place("sqlite"), 100)
    target = tmp_path / "copy.db"

    with pytest.raises(StoreError, match=r"Another program has begun to write|exists already"):
        copy_database(source, target, once(lambda: copy(other, target), 0.3))

    assert contents(target) == without_servers(contents(other))
    assert sorted(path.name for path in tmp_path.glob("copy.db*")) == ["copy.db"]


def test_a_copy_to_a_database_that_somebody_else_is_filling_waits_and_gives_up(large, place):
    source, target = large("sqlite"), place("postgres")

    def copy_again():
        with pytest.raises(StoreLocked, match="is locked by another program: try again later"):
            copy(source, target)

    copy_database(source, target, once(copy_again, 0.3))

    assert contents(target) == without_servers(contents(source))


def test_a_server_that_starts_meanwhile_finds_the_copy(large, place):
    source, target = large("sqlite"), place("postgres")
    opened = []

    copy_database(source, target, once(lambda: opened.append(start(lambda: dump_of(target))), 0.3))

    assert opened[0]() == dump_of(target)
