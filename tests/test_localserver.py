"""A server that a program starts for itself."""

import errno
import io
import os
import shutil
import signal
import socket
import threading
from pathlib import Path

import pytest
from conftest import DEADLINE, wait_until

from metermt.client.client import connect
from metermt.errors import ServerUnreachable
from metermt.localserver import LocalServer


@pytest.fixture
def local_server():
    server = LocalServer("localhost", 0, demo=True)
    yield server
    server.stop()


def is_there(pid):
    return Path("/proc", str(pid)).exists()


def test_it_answers_once_started_and_is_gone_once_stopped(local_server):
    local_server.start()
    with connect(local_server.host, local_server.port) as client:
        assert client.login("carol", "carol") == "Carol Dent"
    pid = local_server._process.pid
    local_server.stop()
    assert not is_there(pid)
    local_server.stop()


def test_a_port_that_is_taken_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = LocalServer("127.0.0.1", port, demo=True)
        with pytest.raises(ServerUnreachable, match=f"Cannot listen on 127.0.0.1:{port}: .*taken") as raised:
            server.start()
        server.stop()
    assert "\n" not in str(raised.value)


def test_it_can_be_started_again_after_it_could_not(local_server):
    with socket.create_server(("localhost", 0)) as other:
        local_server.port = other.getsockname()[1]
        with pytest.raises(ServerUnreachable):
            local_server.start()
    local_server.start()
    connect(local_server.host, local_server.port).close()


def test_a_frozen_server_is_ended_by_force(local_server, monkeypatch):
    monkeypatch.setattr("metermt.localserver._STOP_SECONDS", 0.2)
    local_server.start()
    pid = local_server._process.pid
    os.kill(pid, signal.SIGSTOP)
    local_server.stop()
    assert not is_there(pid)


class Hung(io.StringIO):
    """Standard error of a program whose terminal is gone."""

    def write(self, _text):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("gone", ["nothing", "folder", "terminal"])
def test_what_it_has_logged_is_told_when_it_is_stopped_if_that_can_be(local_server, monkeypatch, capsys, gone):
    local_server.start()
    pid = local_server._process.pid
    local_server._log.write_text("It was hot.\n")
    if gone == "folder":
        shutil.rmtree(local_server._folder.name)
    elif gone == "terminal":
        monkeypatch.setattr("sys.stderr", Hung())
    local_server.stop()
    assert not is_there(pid)
    assert capsys.readouterr().err == ("It was hot.\n" if gone == "nothing" else "")


def test_a_server_that_cannot_be_started_for_want_of_memory_is_started_when_it_can(local_server, monkeypatch):
    def refuse(*_arguments, **_settings):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr("subprocess.Popen", refuse)
        with pytest.raises(ServerUnreachable, match="Cannot start a server on this machine: Cannot allocate memory"):
            local_server.start()
    local_server.start()
    connect(local_server.host, local_server.port).close()


def test_one_that_is_stopped_while_it_starts_is_gone(local_server):
    raised = []

    def start():
        try:
            local_server.start()
        except ServerUnreachable as error:
            raised.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    wait_until(lambda: local_server._process, "it is being started")
    pid = local_server._process.pid
    local_server.stop()
    starting.join(DEADLINE)
    assert not is_there(pid)
    with pytest.raises(ServerUnreachable, match="ending"):
        local_server.start()


def test_one_that_dies_is_started_again_at_its_port(local_server):
    local_server.start()
    port, pid = local_server.port, local_server._process.pid
    with connect(local_server.host, port, timeout=DEADLINE) as client:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_there(pid), "the server is gone")
        client.ping()
        client.ping()
    assert (local_server.port, local_server._process.pid == pid) == (port, False)
