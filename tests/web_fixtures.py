"""A server with both doors, in threads of this process: a module of tests imports all of this."""

from contextlib import contextmanager

import pytest

from metermt.config import Limits
from metermt.transport.deadline import Deadline
from metermt.web.door import WebDoor


@pytest.fixture
def web(desk, server):
    """The door for HTTP beside the server, in front of the same desk."""
    with web_door(desk, server) as door:
        yield door


@contextmanager
def web_door(desk, server, limits=None, tls=None):
    """A door for HTTP until the end of the block."""
    door = WebDoor(desk, "localhost", 0, server, limits or Limits(), tls)
    try:
        door.start()
        yield door
    finally:
        door.stop(Deadline(10))
