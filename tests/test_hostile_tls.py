"""TLS spoken by hand: keys changed over and over while no answer is read, and records that do not end."""

import socket
from contextlib import ExitStack, closing, suppress

import pytest
from conftest import start, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import VALUE, wait_until_taken_over
from proxy import frame
from rpyc.core import brine, consts
from servers import listening
from tlspeers import TlsStranger

from metermt.certificates import Authority
from metermt.errors import DeadlineExceeded
from metermt.transport import conversation
from metermt.transport.deadline import Deadline
from metermt.transport.encrypted import EncryptedSocket
from metermt.transport.stream import Stream
from metermt.transport.tls import ServerTls

PONG = (consts.MSG_REPLY, (VALUE, None))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.certify_server(["localhost"], "METER")
    return authority


@pytest.fixture
def server(desk, authority):
    """A server that speaks TLS."""
    tls = ServerTls(authority.folder / "server.pem", authority.folder / "server-key.pem")
    with listening(desk, tls=tls) as server:
        yield server


@pytest.fixture(params=["stranger", "reader"])
def peer(request, server, authority, tmp_path):
    """Somebody who was answered: by a thread of their own, or by the switchboard."""
    with ExitStack() as stack:
        peer = stack.enter_context(closing(TlsStranger(server.port, authority.path, tmp_path)))
        if request.param == "reader":
            peer.log_in()
            wait_until_taken_over()
        peer.call("ping")
        assert peer.hear_answer() == PONG
        yield peer


@pytest.fixture
def short_frames(monkeypatch):
    """Let a frame take half a second."""
    monkeypatch.setattr(conversation, "FRAME_SECONDS", 0.5)


@pytest.mark.parametrize("reads", [False, True], ids=["and reads nothing", "and reads all"])
def test_who_changes_keys_over_and_over_is_hung_up_on(reads, peer, server):
    if reads:
        reading = start(peer.is_hung_up_on)
    peer.change_keys(times=4000)

    wait_until(lambda: server.connections == 0, "the server has hung up")
    assert not reads or reading()


def test_who_changes_keys_now_and_then_is_answered(peer):
    for _ in range(3):
        peer.change_keys(times=20)
        peer.call("ping")
        assert peer.hear_answer() == PONG


def test_a_record_that_does_not_end_is_a_frame_that_does_not_end(peer, short_frames):
    peer.send_raw(peer.record(b"x" * 100)[:50])

    assert peer.is_hung_up_on(within=8)


def test_keys_without_a_word_are_a_frame_that_does_not_end(peer, short_frames):
    peer.change_keys(times=1)

    assert peer.is_hung_up_on(within=8)


def test_who_logs_in_behind_a_call_in_one_record_and_is_silent_then_has_left_nothing_half_done(
    server, authority, tmp_path, short_frames
):
    with closing(TlsStranger(server.port, authority.path, tmp_path)) as peer:
        assert peer.root
        said = []
        peer.sendall = said.append
        peer.call("ping")
        peer.call("login", (VALUE, "carol"), (VALUE, "carol"))
        del peer.sendall
        peer.sendall(b"".join(said))
        assert [peer.hear_answer()[0] for _ in said] == [consts.MSG_REPLY] * 2

        assert not peer.is_hung_up_on(within=0.7)


def test_a_record_that_is_too_long_is_refused(peer):
    peer.send_raw(b"\x17\x03\x03\xff\xff")

    assert peer.is_hung_up_on(within=8)


def test_records_may_come_in_any_pieces(peer):
    for size in (1, 4, 7):
        written = peer.record(
            frame(bytes([consts.MSG_REQUEST]) + brine.dump((9, (consts.HANDLE_PING, (VALUE, ("x",))))))
        )
        for at in range(0, len(written), size):
            peer.send_raw(written[at : at + size])
        assert peer.hear() == (consts.MSG_REPLY, 9, (VALUE, "x"))


def test_what_tls_cannot_send_yet_is_waited_for_without_looking_again_and_again(authority, tmp_path, monkeypatch):
    with socket.create_server(("localhost", 0)) as listener, ExitStack() as stack:
        context = ServerTls(authority.folder / "server.pem", authority.folder / "server-key.pem").context()
        port = listener.getsockname()[1]
        connecting = start(lambda: TlsStranger(port, authority.path, tmp_path))
        sock = stack.enter_context(listener.accept()[0])
        encrypted = EncryptedSocket(sock, context)
        encrypted.shake_hands(Deadline(5))
        peer = stack.enter_context(closing(connecting()))
        stream = Stream(encrypted)
        with suppress(BlockingIOError):  # it has not taken what was sent before
            while sock.send(bytes(100_000)):
                pass
        peer.change_keys(times=1)
        assert stream.receive_some(Deadline(5)) is None

        monkeypatch.setattr(stream, "receive_now", lambda: pytest.fail("there is room"))
        with pytest.raises(DeadlineExceeded):
            stream.receive_some(Deadline(0.1))
