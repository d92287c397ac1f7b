"""A server with both doors, in threads of this process: a module of tests imports all of this."""

import json
import socket
import xmlrpc.client
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
from servers import listening

from metermt.config import Limits
from metermt.transport.deadline import Deadline
from metermt.web.door import WebDoor


@pytest.fixture
def web(desk, server):
    """The door for HTTP beside the server, in front of the same desk."""
    with web_door(desk, server) as door:
        yield door


@pytest.fixture
def limited_server(desk):
    """A server that takes one connection."""
    with listening(desk, limits=Limits(connections=1)) as server:
        yield server


@contextmanager
def web_door(desk, server, limits=None, tls=None):
    """A door for HTTP until the end of the block."""
    door = WebDoor(desk, "localhost", 0, server.guests, limits or Limits(), tls)
    try:
        door.start()
        yield door
    finally:
        door.stop(Deadline(10))


def post(web, call, body=b"", session="", **headers):
    """Make a call by JSON; return the status and what was answered."""
    if session:
        headers["Authorization"] = f"Bearer {session}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = HTTPConnection("localhost", web.port, timeout=15)
    with closing(connection):
        connection.request("POST", f"/api/{call}", content, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def fault_of(web, body):
    """Send a body to where XML-RPC is; return the number of the fault that is answered."""
    connection = HTTPConnection("localhost", web.port, timeout=15)
    with closing(connection):
        connection.request("POST", "/meter", body, {"Content-Type": "text/xml"})
        response = connection.getresponse()
        assert response.status == 200
        with pytest.raises(xmlrpc.client.Fault) as caught:
            xmlrpc.client.loads(response.read())
    return caught.value.faultCode


def said_to(web, request):
    """Send some bytes; return the status of the answer."""
    with closing(socket.create_connection(("localhost", web.port), timeout=15)) as sock:
        sock.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = sock.recv(65536)
            assert chunk, f"no answer but {head}"
            head += chunk
    return int(head.split()[1])
