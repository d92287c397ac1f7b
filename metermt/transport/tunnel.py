"""A way to a server through SSH, as RPyC makes it: plumbum starts the system's `ssh`, which forwards a local port."""

import re
import socket
from typing import Any

from metermt.errors import ServerUnreachable, SettingError
from metermt.transport.deadline import Deadline


class SshTunnel:
    """A forwarded port: `port` on this machine leads to a port of a machine that SSH reaches.

    Keys, known hosts and the like are those of the user's own `ssh`; nothing is asked for.
    """

    def __init__(self, target: str, host: str, port: int, deadline: Deadline) -> None:
        """Log in at `target`, `USER@HOST` or `USER@HOST:PORT`, and reach `host` and `port` from there.

        Raises `ServerUnreachable`, or `SettingError` if the target is none or there is no `ssh`.
        """
        from plumbum.commands.processes import CommandNotFound  # noqa: PLC0415 - 80 ms for those who tunnel
        from plumbum.machines.ssh_machine import SshMachine  # noqa: PLC0415

        user, where, ssh_port = _parts(target)
        seconds = deadline.check()
        options = [
            "-o",
            "BatchMode=yes",
            "-o",
            "ExitOnForwardFailure=yes",
            "-o",
            f"ConnectTimeout={max(1, int(seconds))}",
        ]
        self._machine: Any = None
        self._tunnel: Any = None
        self.port = _free_port()
        try:
            self._machine = SshMachine(where, user, ssh_port, ssh_opts=options, connect_timeout=seconds)
            self._tunnel = self._machine.tunnel(self.port, port, dhost=host, connect_timeout=deadline.check())
        except CommandNotFound as error:
            raise SettingError("There is no 'ssh' on this machine: install an OpenSSH client") from error
        except Exception as error:  # plumbum raises errors of a dozen classes
            self.close()
            words = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise ServerUnreachable(f"No SSH tunnel through {target}: {words[-1] if words else 'ssh ended'}") from error

    def close(self) -> None:
        """End the tunnel. Closing it twice is harmless."""
        for part in (self._tunnel, self._machine):
            if part is not None:
                part.close()
        self._tunnel = self._machine = None


def _parts(target: str) -> tuple[str, str, int | None]:
    match = re.fullmatch(r"([\w.-]+)@([\w.-]+)(?::([0-9]{1,5}))?", target, re.ASCII)
    if not match or match[2].startswith("-") or match[1].startswith("-"):  # ssh would take it for an option
        raise SettingError(f"Invalid SSH target {target!r}: write it as USER@HOST or USER@HOST:PORT")
    return match[1], match[2], int(match[3]) if match[3] else None


def _free_port() -> int:
    # Somebody else may take it before ssh does; ssh then says so, and the next try takes another.
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
