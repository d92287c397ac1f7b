"""Clients in front of a town's server: a module of tests imports all of this."""

import socket

import pytest
from conftest import make_jobs
from servers import fill

from metermt import Policy
from metermt.calls.desk import Desk
from metermt.store.memory.store import MemoryStore


@pytest.fixture
def town(demo_accounts):
    """The demo's users, and 20 meters M00000 to M00019."""
    return fill(MemoryStore(), demo_accounts, make_jobs(20, previous=100, address="1 Mill Lane"))


@pytest.fixture
def desk(town, clock):
    return Desk(town, Policy(login_failures=3), clock=clock)


@pytest.fixture
def client(server, connect):
    """Carol, who has logged in."""
    return connect(server)


@pytest.fixture
def client_behind(proxy, connect):
    """Carol, who has logged in behind the proxy."""
    return connect(proxy)


@pytest.fixture
def other_client(server, connect):
    """Adam, who has logged in."""
    return connect(server, "adam")


@pytest.fixture
def known_by_name(monkeypatch):
    """Let a name stand for some ports of this machine, as a host's name does for its addresses."""
    find = socket.getaddrinfo

    def known_by_name(*ports):
        def found(host, port, *more, **options):
            place, all_ports = ("127.0.0.1", ports) if host == "meter.example.org" else (host, [port])
            return [row for port in all_ports for row in find(place, port, *more, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return known_by_name
