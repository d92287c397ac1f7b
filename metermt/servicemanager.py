"""What the system's service manager is told of a server: that it is ready, that it is well, and that it ends."""

import logging
import os
import socket

_VARIABLE = "NOTIFY_SOCKET"
_SECONDS = 1.0  # that a service manager may take to take a few bytes

_log = logging.getLogger("metermt.server")


class ServiceManager:
    """Whoever has started this program and wants to be told, such as systemd for a unit with `Type=notify`.

    It has left the name of a socket in the environment, and takes a datagram of `NAME=VALUE` there: `sd_notify(3)`.
    Without such a name nobody is told.
    """

    def __init__(self) -> None:
        self._address = os.environ.get(_VARIABLE, "")
        self._has_failed = False

    def ready(self) -> None:
        """Say that clients can connect."""
        self._tell("READY=1")

    def well(self) -> None:
        """Say that all is well. Where that is not said for as long as the unit says (`WatchdogSec`) it starts anew."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the server ends by itself."""
        self._tell("STOPPING=1")

    def _tell(self, what: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is none of a file: its first byte is 0.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(_SECONDS)
                sock.sendto(what.encode(), address)
        except OSError as error:
            if not self._has_failed:
                _log.warning("the service manager at %s could not be told %s: %s", self._address, what, error)
            self._has_failed = True
        else:
            self._has_failed = False
