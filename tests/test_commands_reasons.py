"""`metermt reasons`, `notes` and `meters`, beside what the calls say."""

from datetime import UTC, datetime

import pytest
from commands import assert_done, assert_refused
from conftest import NOW, add_readers, make_place

from metermt.fieldnotes import Found, Note
from metermt.printable import local_time
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def database(database_path):
    """A database with a reader and a place."""
    with SqliteStore(database_path) as store:
        add_readers(store, "carol")
        store.write(lambda tx: tx.places.put([make_place("G1")]))
    return database_path


def test_the_list_of_reasons_is_edited(invoke, database):
    assert_done(
        invoke("reasons", "add", "bees", "Wasps or bees", "--reread", "--no-reading"), "Added the reason bees.\n"
    )
    assert_done(invoke("reasons", "retire", "no-access"), "Retired the reason no-access.\n")
    lines = invoke("reasons", "list").stdout.splitlines()
    assert lines[:2] == [
        "no.  code            text            with a reading  read again",
        "  1  locked-gate     Locked gate     no              yes",
    ]
    assert lines[-1] == " 13  bees            Wasps or bees   no              yes"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["add", "Bees!", "Bees"],
            "Invalid code 'Bees!': use up to 32 small letters, digits and -, beginning with a letter",
        ),
        (["add", "bees", " "], "Invalid text ' ': use 1 to 200 printable characters, no blanks around them"),
        (["add", "bees", "17"], "Invalid text '17': readers choose reasons by numbers, so use words"),
        (
            ["add", "hounds", "DOG"],
            "There is a reason dog, “Dog”, already: choose another code and text,"
            " or retire it first (metermt reasons retire dog)",
        ),
        (
            ["retire", "bees"],
            "There is no reason 'bees' in use: there are no-access, locked-gate, dog, refused-entry, not-found,"
            " damaged, display-faulty, overgrown, unsafe, vacant, wrong-route, tampered, key-required",
        ),
    ],
)
def test_what_cannot_be_done_to_reasons_is_told(invoke, database, words, error):
    assert_refused(invoke("reasons", *words), error)
    assert len(invoke("reasons", "list").stdout.splitlines()) == 14


def test_notes_and_meters_that_were_found_are_listed(invoke, database):
    assert invoke("notes", "list").stderr == "No notes.\n"
    assert invoke("meters", "found").stderr == "No meters were reported.\n"
    at = datetime(2026, 11, 19, 8, 30, tzinfo=UTC)
    with SqliteStore(database) as store:
        store.write(lambda tx: tx.notes.add([Note("G1", "key at no. 4", "carol", at)]))
        store.write(lambda tx: tx.finds.add([Found("E9/2", "E", 5, None, "in the barn", "carol", NOW)]))
    when = local_time(at)
    assert_done(
        invoke("notes", "list"),
        f"{'when':{len(when)}}  who    meter  note\n{when}  carol  G1     key at no. 4\n",
    )
    when = local_time(NOW)
    assert_done(
        invoke("meters", "found"),
        f"no  {'when':{len(when)}}  who    meter  kind  dials  reading  where\n"
        f" 1  {when}  carol  E9/2   E         5           in the barn\n",
    )
