"""Where the servers of a name were found last, for a client that finds no registry.

Kept in the user's cache folder. It is a hint and no more: what the registry could say wrongly, it can, and a server
found by it proves itself as any other does.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from metermt.files.whole import whole_file

Address = tuple[str, int]
"""Host and port."""

_MOST_NAMES, _MOST_ADDRESSES = 20, 20
_MOST_HOST = 255  # characters of a host
_MOST_BYTES = 200_000  # of a file that is read: more than all of these are
_OWNER_ONLY = 0o600

_log = logging.getLogger("metermt.discovery")


def last_known(asked: str) -> list[Address]:
    """Return where the servers were when this was asked last: a name, and the registries that were asked."""
    return _kept().get(asked, [])


def remember(asked: str, addresses: Sequence[Address]) -> None:
    """Keep where the servers are, in place of what was known of them."""
    kept = _kept()
    addresses = sorted(address for address in addresses if len(address[0]) <= _MOST_HOST)[:_MOST_ADDRESSES]
    if kept.get(asked) == addresses:
        return
    kept.pop(asked, None)
    kept = {**dict(list(kept.items())[1 - _MOST_NAMES :]), asked: addresses}
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path, _OWNER_ONLY) as file:
            json.dump(kept, file)
    except OSError as error:  # such as a user without a home, who does without it
        _log.info("cannot keep where the servers are in %s: %s", path, error)


def _kept() -> dict[str, list[Address]]:
    """Return what was kept; nothing of what makes no sense."""
    try:
        with _file().open("rb") as file:
            said = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {asked: addresses for asked, listed in said.items() if (addresses := _addresses_in(listed))}


def _addresses_in(listed: object) -> list[Address]:
    addresses: list[Address] = []
    for one in listed if isinstance(listed, list) else ():
        match one:
            case [str(host), int(port)] if len(host) <= _MOST_HOST and 0 < port <= 65535:
                addresses.append((host, port))
    return addresses[:_MOST_ADDRESSES]


def _file() -> Path:
    from platformdirs import user_cache_path  # noqa: PLC0415 - 20 ms for those who find their server by name

    return user_cache_path("metermt") / "servers.json"
