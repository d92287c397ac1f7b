"""What was typed is on the reader's disk before it is sent, and stays there until the server has answered for it."""

import errno
import os
import stat
from threading import Event

import pytest
from conftest import CYCLE, DEADLINE, make_answer, make_job, run_together, start, wait_until
from mortal_typists import Case, Typists
from readers import readings_in
from servers import fill

from metermt.calls.desk import Desk
from metermt.client import outbox as outbox_module
from metermt.client.outbox import Outbox, Unconfirmed
from metermt.errors import CallError, ConnectionFailed, CycleClosed, InvalidReading, OutboxError
from metermt.model import Answer
from metermt.store.memory.store import MemoryStore


@pytest.fixture
def desk(demo_accounts):
    jobs = [make_job(f"G{number:03}", sequence=number) for number in range(200)]
    return Desk(fill(MemoryStore(), demo_accounts, jobs))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outbox"


@pytest.fixture
def carol(server, connect, folder):
    return connect(server, outbox=folder)


def fail_for_want_of_room(_file):
    raise OSError(errno.ENOSPC, "No space left on device")


def row(meter="G001", value=100, key="k1", username="carol", server="localhost:1", **answer):
    when = "2026-11-20T10:00:00+00:00"
    return Unconfirmed(server, username, Answer(meter, value, when=when, key=key, **answer))


def values_in(desk):
    return sorted(reading.answer.value for reading in readings_in(desk.store))


# --- a client that is killed


def test_a_client_that_is_killed_at_any_step_loses_nothing_and_doubles_nothing(desk, server, connect, tmp_path):
    with Typists() as typists:
        steps = typists.steps(Case(0, server.port, str(tmp_path / "0"), 0))
        kept_from = steps.index("write") + 2  # before it and half-way in it there is nothing whole yet
        assert steps.index("send") > [at for at, step in enumerate(steps) if step == "fsync"][-1], steps
        assert steps[-1] == "unlink", steps

        for n in range(1, len(steps) + 1):
            folder = tmp_path / str(n)
            assert typists.steps(Case(n, server.port, str(folder), n)) is None, f"step {n} of {steps} was not reached"
            again = connect(server, outbox=folder)
            assert again.submit_readings(left := again.outbox.unconfirmed()) == [None] * len(left)
            assert again.outbox.unconfirmed() == []
            assert values_in(desk).count(n) == (n > kept_from), f"killed before step {n} of {steps}"
            again.close()


def test_of_what_was_half_written_nothing_is_offered_and_it_can_be_found(folder):
    Outbox(folder).put([row()])
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:60])
    assert (Outbox(folder).all(), Outbox(folder).damaged()) == ([], [file])

    Outbox(folder).put([row()])
    assert (Outbox(folder).all(), Outbox(folder).damaged()) == ([row()], [])


# --- a client whose server does not answer


def test_what_is_not_confirmed_is_there_at_the_next_login_of_the_same_reader_and_counts_once(
    desk, server, proxy, connect, folder
):
    carol = connect(proxy, outbox=folder)
    answer = make_answer(carol.get_job().meter.number, 5983, "lid broken", when=None)
    carol.timeout, proxy.lost_answers = 0.3, 99
    with pytest.raises(ConnectionFailed):
        carol.submit_and_next(answer)
    proxy.lost_answers = 0
    assert connect(proxy, "adam", outbox=folder).outbox.unconfirmed() == []
    assert connect(server, outbox=folder).outbox.unconfirmed() == []  # another server, as far as anybody knows

    again = connect(proxy, outbox=folder)
    (kept,) = again.outbox.unconfirmed()
    assert (kept.meter, kept.value, kept.reason) == (answer.meter, 5983, "lid broken")
    again.submit_and_next(kept)
    assert again.outbox.unconfirmed() == []
    assert values_in(desk) == [5983]


def test_what_is_refused_stays_until_it_is_thrown_away(desk, carol):
    desk.store.write(lambda tx: tx.cycles.close(CYCLE))
    refused = Answer("G001", 100, key="k1", cycle=CYCLE)
    with pytest.raises(CycleClosed):
        carol.submit_and_next(refused)
    ((outcome,), (kept,)) = carol.submit_readings(carol.outbox.unconfirmed()), carol.outbox.unconfirmed()
    assert (type(outcome), kept.key) == (CycleClosed, "k1")
    carol.outbox.discard(kept)
    assert carol.outbox.unconfirmed() == []


def test_an_older_word_on_the_same_meter_goes_when_a_newer_one_is_accepted(carol, folder):
    rows = [
        row(key=key, meter=meter, server=f"localhost:{carol.port}") for key, meter in (("a", "G000"), ("b", "G001"))
    ]
    Outbox(folder).put(rows)
    carol.submit_reading("G000", 101, cycle=None)
    assert [answer.key for answer in carol.outbox.unconfirmed()] == ["b"]


def test_what_was_typed_later_is_later_also_when_the_clock_stood_still_or_was_set_back(folder):
    outbox = Outbox(folder)
    rows = [row(value=n, key=f"k{99 - n}") for n in range(20)]
    outbox.put(rows[:10])
    for file in folder.iterdir():  # as if the clock had been an hour ahead
        times = file.stat()
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 3600 * 10**9))
    outbox.put(rows[10:])
    assert outbox.all() == rows
    outbox.accepted(rows[-1:])
    assert outbox.all() == []


def test_what_the_disk_did_not_take_is_written_before_what_comes_next(folder, monkeypatch):
    outbox, first, then = Outbox(folder), row(value=1, key="z"), row(value=2, key="a")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail_for_want_of_room)
        with pytest.raises(OutboxError):
            outbox.put([first])
    outbox.put([then])
    assert (Outbox(folder).all(), outbox.unwritten) == ([first, then], [])
    outbox.accepted([then])
    assert outbox.all() == []


def test_what_is_accepted_while_the_disk_takes_it_at_last_does_not_stay_there(folder, monkeypatch):
    """One thread sends it, and another one has the next reading written, and it along."""
    outbox, first, then = Outbox(folder), row(key="a"), row("G002", key="b")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail_for_want_of_room)
        with pytest.raises(OutboxError):
            outbox.put([first])
    is_at_it, may_go_on, latest = Event(), Event(), outbox_module._latest
    monkeypatch.setattr(outbox_module, "_latest", lambda at: (is_at_it.set(), may_go_on.wait(DEADLINE), latest(at))[-1])
    written = start(lambda: outbox.put([then]))
    assert is_at_it.wait(DEADLINE)
    let_go = start(lambda: outbox.accepted([first]))
    wait_until(lambda: first not in outbox.unwritten, "it is accepted")
    may_go_on.set()
    written()
    let_go()
    assert outbox.all() == [then]


def test_two_clients_of_one_reader_neither_lose_nor_block_nor_double_what_the_other_keeps(
    desk, server, connect, folder
):
    phone, laptop = (connect(server, outbox=folder) for _ in range(2))
    mine, others = (row(meter, key=meter, server=f"localhost:{server.port}") for meter in ("G000", "G001"))
    Outbox(folder).put([mine])
    Outbox(folder).put([others])
    assert len(phone.outbox.unconfirmed()) == len(laptop.outbox.unconfirmed()) == 2
    run_together(
        lambda: phone.submit_readings([mine.answer, others.answer]),
        lambda: [laptop.submit_and_next(row.answer) for row in (others, mine)],
    )
    assert phone.outbox.unconfirmed() == laptop.outbox.unconfirmed() == []
    assert [reading.answer.meter for reading in readings_in(desk.store)] == ["G000", "G001"]


def test_without_being_asked_for_nothing_is_written(server, connect, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    client = connect(server)
    client.submit_and_next(make_answer(client.get_job().meter.number, when=None))
    assert (client.outbox.unconfirmed(), list(tmp_path.iterdir())) == ([], [])


# --- the disk


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["open", "write", "fsync"])
def test_a_full_disk_stops_no_reader_and_is_told(desk, proxy, connect, folder, monkeypatch, caplog, step):
    carol = connect(proxy, outbox=folder)
    monkeypatch.setattr(outbox_module.os, step, full)
    carol.submit_and_next(make_answer("G000", 1, when=None))
    told = f"What is typed cannot be kept on this device, in {folder}: No space left on device. It is sent all the same"
    assert caplog.messages == [told]
    assert values_in(desk) == [1]

    carol.timeout, proxy.lost_answers = 0.3, 99
    with pytest.raises(ConnectionFailed):
        carol.submit_and_next(make_answer("G001", 2, when=None))
    monkeypatch.undo()
    (lost,) = carol.outbox.unconfirmed()  # as long as this program runs it is offered all the same
    assert not carol.outbox.keeps(lost)
    assert Outbox(folder).all() == []
    carol.timeout, proxy.lost_answers = 10, 0
    carol.submit_and_next(lost)
    assert carol.outbox.unconfirmed() == []


def test_a_place_that_cannot_be_written_to_stops_no_reader(desk, server, connect, tmp_path):
    (tmp_path / "file").touch()
    carol = connect(server, outbox=tmp_path / "file" / "outbox")
    carol.submit_and_next(make_answer("G000", 1, when=None))
    with pytest.raises(InvalidReading):
        carol.submit_and_next(refused := Answer("G000", 1_000_000, key="k1", cycle=CYCLE))
    carol.outbox.discard(refused)
    assert values_in(desk) == [1]
    with pytest.raises(OutboxError, match="Not a directory"):
        carol.outbox.unconfirmed()


def test_nobody_else_can_read_or_plant_anything_there(folder, tmp_path):
    Outbox(folder).put([row()])
    (file,) = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]
    file.unlink()

    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    file.symlink_to(victim)
    Outbox(folder).put([row()])
    assert (victim.read_text(encoding="utf-8"), file.is_symlink()) == ("precious", False)

    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(OutboxError):
        Outbox(link).put([row(key="k2")])
    folder.chmod(0o770)
    with pytest.raises(OutboxError, match="others can write there"):
        Outbox(folder).put([row(key="k2")])


def test_what_is_kept_is_on_the_disk_with_its_name(folder, monkeypatch):
    Outbox(folder).put([row(key="earlier")])  # the folder itself is there
    flushed, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(stat.S_ISDIR(os.fstat(file).st_mode)) or fsync(file))
    Outbox(folder).put([row()])
    assert flushed == [False, True]


@pytest.mark.parametrize("value", [None, 0, 10**20 - 1])
def test_what_is_read_back_is_what_was_written(folder, value):
    written = row(value=value, reason="Größe 3 🐕", key="~!/" * 21, cycle="2026-11", server="a:1,b:2")
    Outbox(folder).put([written])
    assert Outbox(folder).of("a:1,b:2", "carol") == [written]


def test_what_cannot_be_sent_is_not_kept(carol, folder):
    with pytest.raises(CallError):
        carol.submit_reading("G001", 1, "\ud800")
    assert carol.outbox.unconfirmed() == []
