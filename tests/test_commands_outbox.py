"""`metermt outbox`: what was typed on this device is seen, sent and thrown away."""

import time

import pytest
from commands import assert_done, assert_refused
from conftest import CYCLE, make_job
from readers import readings_in
from servers import fill
from web_fixtures import *  # noqa: F403 - the fixtures

from metermt.calls.desk import Desk
from metermt.client.outbox import Outbox, Unconfirmed
from metermt.model import Answer
from metermt.store.memory.store import MemoryStore

OLD_SERVER = "old.example.org:11003"


@pytest.fixture
def desk(demo_accounts):
    return Desk(fill(MemoryStore(), demo_accounts, [make_job("G1")]))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """What carol and adam have typed for another server."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    when = "2026-11-20T10:00:00"
    kept = Outbox(tmp_path / "metermt" / "outbox")
    kept.put([Unconfirmed(OLD_SERVER, "carol", Answer("G1", 5983, "", when, "k1", CYCLE))])
    kept.put([Unconfirmed(OLD_SERVER, "carol", Answer("G2", None, "Dog", when, "k2", CYCLE))])
    kept.put([Unconfirmed(OLD_SERVER, "adam", Answer("G2", 17, "", when, "k3"))])
    return kept


@pytest.fixture
def in_india(monkeypatch):
    """Times are half past five ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


def test_what_is_kept_is_listed(kept, invoke, tmp_path, in_india):
    (tmp_path / "metermt" / "outbox" / "half.json").write_text('{"server"', encoding="utf-8")

    listed = invoke("outbox", "list")

    assert listed.stdout == (
        "METER  READING  REASON  CYCLE    TYPED                 READER  SERVER\n"
        "G1     5983             2026-11  2026-11-20 10:00 IST  carol   old.example.org:11003\n"
        "G2              Dog     2026-11  2026-11-20 10:00 IST  carol   old.example.org:11003\n"
        "G2     17                        2026-11-20 10:00 IST  adam    old.example.org:11003\n"
    )
    assert listed.stderr == f"{tmp_path / 'metermt' / 'outbox' / 'half.json'} is damaged, or being written just now\n"


def test_it_is_thrown_away_when_it_is_named(kept, invoke, in_india):
    assert_refused(invoke("outbox", "remove", "G9"), "Nothing is kept for meter G9: see `metermt outbox list`")
    assert invoke("outbox", "remove").returncode == 2
    removed = invoke("outbox", "remove", "G2", "--user", "adam")
    assert_done(removed, "Thrown away: G2 17 2026-11-20 10:00 IST adam old.example.org:11003\n")
    assert len(kept.all()) == 2
    invoke("outbox", "remove", "--all")
    assert_done(invoke("outbox", "list"), "Nothing is kept on this device: all that was typed is accepted.\n")


def test_what_was_typed_for_a_server_that_has_moved_is_sent_to_the_new_one(kept, metermt, desk, server, tmp_path):
    sending = ("outbox", "send", "-p", str(server.port), "--user", "carol")
    sent = metermt(*sending, "--typed-for", OLD_SERVER, stdin="carol\n", XDG_DATA_HOME=str(tmp_path))

    assert sent.stdout == (
        "Password: \nAccepted: 5983 for meter G1\n"
        "Refused: “Dog” for meter G2. Unknown meter 'G2' in cycle '2026-11': check the number on the meter\n"
        "It is kept on this device: you are asked about it when you log in again\n"
    )
    assert sent.stderr == "Error: Not accepted and still kept: 1, see `metermt outbox list`\n"
    assert sent.returncode == 1
    assert [reading.answer.value for reading in readings_in(desk.store)] == [5983]
    assert [(row.server, row.answer.key) for row in kept.all()] == [
        (OLD_SERVER, "k3"),
        (f"localhost:{server.port}", "k2"),
    ]


def test_what_was_typed_by_http_is_sent_that_way(kept, invoke, web, desk):
    url = f"http://localhost:{web.port}"
    answer = Answer("G1", 5983, "", "2026-11-20T10:00:00", "k4", CYCLE)
    kept.put([Unconfirmed(url, "carol", answer)])

    sent = invoke("outbox", "send", "--http", url, "--user", "carol", stdin="carol\n")

    assert_done(sent, "Password: \nAccepted: 5983 for meter G1\n")
    assert [reading.answer.key for reading in readings_in(desk.store)] == ["k4"]
