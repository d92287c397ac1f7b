"""Who has logged in here before, and from where: they go before strangers when something is short."""

from collections.abc import Hashable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_MOST = 10_000  # names at addresses; whoever was here longest ago is forgotten first


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 a whole network, since a single line has that many (RFC 6177)."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)


class _Latest(Generic[K]):
    """A set of what was seen last. It is only used in single steps, which no other thread can divide."""

    def __init__(self) -> None:
        self._seen: dict[K, None] = {}

    def add(self, one: K) -> None:
        self._seen.pop(one, None)
        self._seen[one] = None
        if len(self._seen) > _MOST:
            with suppress(StopIteration, RuntimeError):  # another thread was faster
                self._seen.pop(next(iter(self._seen)), None)

    def __contains__(self, one: K) -> bool:
        return one in self._seen


class Regulars:
    """Names that have logged in from an address, since the server has started.

    That a name is in use somewhere says nothing here about any other address: a stranger cannot find out names by
    being let in sooner or later. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._names: _Latest[tuple[str, str]] = _Latest()
        self._networks: _Latest[str] = _Latest()

    def logged_in(self, name: str, address: str) -> None:
        """Take note of a login."""
        network = network_of(address)
        self._names.add((network, name))
        self._networks.add(network)

    def knows(self, name: str, address: str) -> bool:
        """Tell whether this name has logged in from there."""
        return (network_of(address), name) in self._names

    def knows_address(self, address: str) -> bool:
        """Tell whether anybody has logged in from there."""
        return network_of(address) in self._networks
