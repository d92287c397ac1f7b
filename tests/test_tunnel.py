"""A server reached through SSH: a real sshd on loopback, and the system's own ssh."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metermt import Answer, Status, connect
from metermt.errors import ServerUnreachable, SettingError
from metermt.serving import RunningServer, ServerSettings


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """The port of a running sshd that lets this user in, by a key that only the `ssh` of these tests has."""
    folder = tmp_path_factory.mktemp("ssh")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:{Path(sys.executable).parent}")
    if not sshd:
        assert not os.environ.get("CI"), "these tests need an sshd, and CI must not leave them out"
        pytest.skip("these tests need an sshd, which ./scripts/test unpacks")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
    )
    # Where newer versions find their own parts, when they are only unpacked.
    unpacked = Path(sys.executable).parents[1] / "unpacked" / "sshd" / "usr" / "lib" / "openssh"
    with (folder / "sshd_config").open("a") as config:
        for option, part in (("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")):
            if Path(sshd).parent == Path(sys.executable).parent and (unpacked / part).exists():
                config.write(f"{option} {unpacked / part}\n")
    (folder / "ssh_config").write_text(
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking accept-new\n"
    )
    tools = folder / "bin"
    tools.mkdir()
    (tools / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{folder}/ssh_config" "$@"\n')
    (tools / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks itself in when it runs as root
    process = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
    path, os.environ["PATH"] = os.environ["PATH"], f"{tools}:{os.environ['PATH']}"
    try:
        _wait_for_port(port)
        yield port
    finally:
        os.environ["PATH"] = path
        process.terminate()
        process.wait(10)


def _wait_for_port(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "sshd does not start"
            time.sleep(0.02)
        else:
            return


def test_readings_go_through_a_tunnel(sshd):
    target = f"{getpass.getuser()}@127.0.0.1:{sshd}"
    with (
        RunningServer(ServerSettings(port=0, demo=True)) as server,
        connect("localhost", server.port, ssh=target, timeout=20) as client,
    ):
        assert client.login("carol", "carol") == "Carol Dent"
        job = client.get_job()
        assert client.submit_and_next(Answer(job.meter.number, 5983)).status == Status(1, 1)


def test_a_tunnel_that_cannot_be_made_says_why(sshd):
    with pytest.raises(ServerUnreachable, match=r"No SSH tunnel through nobody-here@127.0.0.1"):
        connect("localhost", 1, ssh=f"nobody-here@127.0.0.1:{sshd}", timeout=20)
    with pytest.raises(ServerUnreachable, match=r"No SSH tunnel through .*@127.0.0.1:1"):
        connect("localhost", 1, ssh=f"{getpass.getuser()}@127.0.0.1:1", timeout=20)


@pytest.mark.parametrize(
    "target", ["", "host", "user@", "-oProxyCommand=evil@host", "user@-evil", "user@host:x", "a b@host"]
)
def test_what_is_no_target_is_refused(target):
    with pytest.raises(SettingError, match="Invalid SSH target"):
        connect("localhost", 1, ssh=target or " ")


def test_a_server_is_not_reached_by_name_and_through_ssh():
    with pytest.raises(SettingError, match="service='METER' says which server: leave ssh='carol@meter"):
        connect(service="METER", ssh="carol@meter.example.org")
