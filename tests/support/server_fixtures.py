"""Servers and databases, and who connects to them: fixtures for the tests of whatever goes through a server."""

from contextlib import ExitStack, closing

import pytest
import rpyc
from conftest import make_jobs
from peers import Stranger
from proxy import Proxy
from servers import Servers, listening, make_database

from metermt import MeterClient
from metermt.policy import Policy
from metermt.serving import RunningServer, ServerSettings


@pytest.fixture
def server(desk):
    """A server in threads of this process, in front of the desk."""
    with listening(desk) as server:
        yield server


@pytest.fixture
def servers(tmp_path_factory):
    """Start servers in processes of their own, which end with the test."""
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
def serve():
    """Start whole servers in threads of this process, which end with the test: for tests that kill none."""
    with ExitStack() as stack:

        def serve(database, http=None, **policy):
            settings = ServerSettings(port=0, database=database, http=http, policy=Policy(**policy))
            return stack.enter_context(RunningServer(settings))

        yield serve


@pytest.fixture
def database(database_path, demo_accounts):
    """A database with the demo's users, whose logins cost little, and 500 meters M00000 to M00499."""
    return make_database(database_path, demo_accounts, make_jobs(500))


@pytest.fixture
def proxy(server):
    """What stands between the server and those who connect to it here."""
    with Proxy(server.port) as proxy:
        yield proxy


# --- who connects; all of them have hung up when the test is over


@pytest.fixture
def connect():
    """Log a reader in at a server, by a client of ours and with a session of their own."""
    with ExitStack() as stack:

        def connect(server, username="carol", **settings):
            client = stack.enter_context(MeterClient("localhost", server.port, **settings))
            client.login(username, username)
            return client

        yield connect


@pytest.fixture
def plain():
    """Connect a plain client of RPyC to a server; it hangs up without a word, unless the test has it say goodbye."""
    with ExitStack() as stack:

        def plain(server, **config):
            connection = rpyc.connect("localhost", server.port, config=config)
            stack.callback(connection._channel.close)
            return connection

        yield plain


@pytest.fixture
def connection(server, plain):
    """A plain client that is connected to the server."""
    return plain(server)


@pytest.fixture
def root(connection):
    """The calls as a plain client has them."""
    return connection.root


@pytest.fixture
def session(root):
    """The id of a session of Carol's."""
    return root.login("carol", "carol")[0]


@pytest.fixture
def stranger():
    """Connect a stranger to a server."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(closing(Stranger(server.port)))
