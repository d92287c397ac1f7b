"""Clients in front of real servers: a module of tests has these fixtures when its `pytest_plugins` name this one."""

import pytest
from conftest import make_jobs
from proxy import Proxy
from servers import Servers, fill, listening, make_database

from metermt import MeterClient, Policy
from metermt.calls.desk import Desk
from metermt.store.memory import MemoryStore


@pytest.fixture
def town(demo_accounts):
    """The demo's users, and 20 meters M00000 to M00019."""
    return fill(MemoryStore(), demo_accounts, make_jobs(20, previous=100, address="1 Mill Lane"))


@pytest.fixture
def server(town, clock):
    with listening(Desk(town, Policy(login_failures=3), clock=clock)) as server:
        yield server


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(server):
    """Carol, who has logged in."""
    with MeterClient("localhost", server.port) as client:
        client.login("carol", "carol")
        yield client


@pytest.fixture
def client_behind(proxy):
    """Carol, who has logged in behind the proxy."""
    with MeterClient("localhost", proxy.port) as client:
        client.login("carol", "carol")
        yield client


@pytest.fixture
def other_client(server):
    """Adam, who has logged in."""
    with MeterClient("localhost", server.port) as client:
        client.login("adam", "adam")
        yield client


@pytest.fixture
def servers(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a server that is killed leaves a database in a temporary folder
    with Servers(tmp_path) as servers:
        yield servers


@pytest.fixture
def database(database_path, demo_accounts):
    """A database with the demo's users, whose logins cost little, and 500 meters M00000 to M00499."""
    return make_database(database_path, demo_accounts, make_jobs(500))
