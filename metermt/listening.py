"""Why a server cannot listen."""

import errno

from metermt.errors import ListenError


def cannot_listen(host: str, port: int, error: Exception, option: str = "--port") -> ListenError:
    """Make an error of what the system raised for this address, which this option of `serve` names."""
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            words = f"the port is taken by another program; choose another with {option}"
        case errno.EACCES | errno.EPERM:
            words = "no right to; use a port from 1024"
        case errno.EADDRNOTAVAIL:
            words = "this machine has no such address"
        case _:
            words = getattr(error, "strerror", None) or "no such host name"
    return ListenError(f"Cannot listen on {host}:{port}: {words}")
