"""TLS spoken by hand: keys changed over and over while no answer is read, and records that do not end."""

import socket
from contextlib import ExitStack, closing

import pytest
from conftest import wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from peers import VALUE, wait_until_taken_over
from rpyc.core import consts
from servers import listening
from tlspeers import TlsStranger

from metermt.certificates import Authority
from metermt.transport import conversation
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
    """A server that speaks TLS, and has little room for what is not taken."""
    tls = ServerTls(authority.folder / "server.pem", authority.folder / "server-key.pem")
    with listening(desk, tls=tls) as server:
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
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
def looks(monkeypatch):
    """How often the server has looked at what has come."""
    looks = []
    receive_now = Stream.receive_now

    def receive(stream):
        looks.append(stream)
        return receive_now(stream)

    monkeypatch.setattr(Stream, "receive_now", receive)
    return looks


@pytest.fixture
def short_frames(monkeypatch):
    """Let a frame take half a second."""
    monkeypatch.setattr(conversation, "FRAME_SECONDS", 0.5)


def test_who_changes_keys_and_reads_nothing_is_waited_for_and_hung_up_on(peer, server, looks, short_frames):
    peer.change_keys(times=4000)

    wait_until(lambda: server.connections == 0, "the server has hung up")
    assert len(looks) < 5000  # once for each change at most, and not over and over while nothing goes out


def test_who_changes_keys_and_reads_later_is_answered(peer, looks):
    peer.change_keys(times=500)
    peer.call("ping")

    assert peer.hear_answer() == PONG
    assert len(looks) < 1000


def test_a_record_that_does_not_end_is_a_frame_that_does_not_end(peer, short_frames):
    peer.send_raw(peer.record(b"x" * 100)[:50])

    assert peer.is_hung_up_on(within=5)
