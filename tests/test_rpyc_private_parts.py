"""Which parts of RPyC MeterMT touches: most are promised by nobody, so each is named here, and must be there.

RPyC promises `rpyc.connect`, `rpyc.Service` and its servers. The rest of what stands here is how its wire is written,
and what a server has inside: after an update of RPyC these tests say first what has moved.
"""

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path

import pytest
import rpyc
from rpyc.core.channel import Channel
from rpyc.utils.server import Server, ThreadedServer

import metermt

BRINE, CONSTS, CHANNEL = "rpyc.core.brine", "rpyc.core.consts", "rpyc.core.channel.Channel"
SERVER = "rpyc.utils.server.ThreadedServer"

PARTS = {
    # a service, as a server of RPyC's wants one
    "rpyc.Service",
    "rpyc.Service.ALIASES",
    # a listener: what is used of it, and what is replaced
    SERVER,
    *(f"{SERVER}.{name}" for name in ("__init__", "_listen", "listener", "active", "start")),
    # frames
    CHANNEL,
    *(f"{CHANNEL}.{name}" for name in ("FRAME_HEADER", "FLUSHER")),
    # how values are written
    BRINE,
    *(
        f"{BRINE}.{name}"
        for name in ("dump", "IMM_INTS_LOADER", "TAG_NONE", "TAG_TRUE", "TAG_FALSE", "TAG_EMPTY_TUPLE")
    ),
    *(f"{BRINE}.TAG_{name}" for name in ("TUP1", "TUP2", "TUP3", "TUP4", "TUP_L1", "TUP_L4", "EMPTY_STR")),
    *(f"{BRINE}.TAG_{name}" for name in ("STR1", "STR2", "STR3", "STR4", "STR_L1", "STR_L4")),
    *(f"{BRINE}.TAG_{name}" for name in ("INT_L1", "INT_L4", "FLOAT", "UNICODE")),
    # messages, and what can be asked for
    CONSTS,
    *(f"{CONSTS}.MSG_{name}" for name in ("REQUEST", "REPLY", "EXCEPTION")),
    *(f"{CONSTS}.LABEL_{name}" for name in ("VALUE", "TUPLE", "LOCAL_REF", "REMOTE_REF")),
    *(f"{CONSTS}.HANDLE_{name}" for name in ("PING", "CLOSE", "GETROOT", "GETATTR", "CALL", "CALLATTR", "DEL")),
    *(f"{CONSTS}.HANDLE_{name}" for name in ("INSPECT", "STR")),
}


# --- what the source uses


def parts_in(source):
    """Return the dotted names of all parts of RPyC that a module uses."""
    tree = ast.parse(source)
    bound = dict(_imported(tree))
    used = {dotted for dotted in bound.values() if dotted != "rpyc"}
    inside = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() if dotted := _dotted(node, bound):
                used.add(dotted)
            case ast.Name(id=name) if name in bound and id(node) not in inside and _is_module(bound[name]):
                used.add(f"{bound[name]} as a whole")  # handed on: who knows what is used of it
            case ast.ClassDef():
                for base in node.bases:
                    if dotted := bound.get(getattr(base, "id", "")) or _dotted(base, bound):
                        used |= {f"{dotted}.{name}" for name in _own_names(node) & _names_of(dotted)}
    return used


def _imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "rpyc":
                    yield alias.asname or "rpyc", alias.name if alias.asname else "rpyc"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rpyc":
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _dotted(node, bound):
    """Return the dotted name that an expression stands for, None if it is nothing of RPyC's."""
    match node:
        case ast.Name(id=name):
            return bound.get(name)
        case ast.Attribute(value=value, attr=attr):
            owner = _dotted(value, bound)
            # Of an object of RPyC's, such as a `struct.Struct`, the attributes are not RPyC's.
            return f"{owner}.{attr}" if owner and (_is_module(owner) or inspect.isclass(resolved(owner))) else None
    return None


def _own_names(node):
    """Return what a class defines, and what it uses or sets of itself, or of the class above."""
    found = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                found.add(attr)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attr):
                found.add(attr)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found - set(dir(object)) | ({"__init__"} & found)


def _names_of(dotted):
    """Return what objects of a class of RPyC's have, be it set by their methods only."""
    set_by_methods = {
        node.attr
        for cls in resolved(dotted).__mro__[:-1]
        for node in ast.walk(ast.parse(inspect.getsource(cls)))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    return set_by_methods | set(dir(resolved(dotted)))


def resolved(dotted):
    """Return what a dotted name stands for. Raises `AttributeError` if there is no such thing."""
    module, _, rest = dotted, "", ""
    while True:
        try:
            thing = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, name = module.rpartition(".")
            rest = f"{name}.{rest}" if rest else name
    for name in filter(None, rest.split(".")):
        thing = getattr(thing, name)
    return thing


def _is_module(dotted):
    return inspect.ismodule(resolved(dotted))


@cache
def used_by_metermt():
    sources = Path(metermt.__file__).parent.rglob("*.py*")
    return set().union(*(parts_in(path.read_text(encoding="utf-8")) for path in sources if path.suffix != ".pyc"))


# --- the tests


@pytest.fixture
def listener():
    server = ThreadedServer(rpyc.Service, hostname="localhost", port=0)
    server.logger.disabled = True
    yield server
    server.close()


@pytest.mark.parametrize("part", sorted(PARTS))
def test_each_part_is_there(part, listener):
    owner, _, name = part.rpartition(".")

    assert hasattr(listener if owner == SERVER else resolved(owner), name)


def test_metermt_uses_no_other_part():
    assert used_by_metermt() - PARTS == set(), "name it above, if there is no way around it"


def test_no_part_is_named_that_is_not_used_any_more():
    assert PARTS - used_by_metermt() == set()


def test_a_server_is_made_with_the_arguments_that_there_are():
    wanted = {"service", "hostname", "port", "ipv6", "protocol_config"}

    assert wanted <= set(inspect.signature(Server.__init__).parameters)


def test_a_frame_is_what_it_was():
    assert Channel.FRAME_HEADER.format == "!LB"
    assert Channel.FLUSHER == b"\n"


def test_a_listener_knows_its_true_port(listener):
    assert listener.port == listener.listener.getsockname()[1] > 0


def of_server(body):
    """Write a class of ours on RPyC's server."""
    return f"from rpyc.utils.server import ThreadedServer\nclass Ours(ThreadedServer):\n  {body}"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import rpyc\nrpyc.connect('localhost', 1)", "rpyc.connect"),
        ("import rpyc\nclass S(rpyc.Service):\n  def on_connect(self, c): pass", "rpyc.Service.on_connect"),
        ("import rpyc.core.netref\nrpyc.core.netref.BaseNetref", "rpyc.core.netref.BaseNetref"),
        ("import rpyc.core.netref as n\nn.BaseNetref", "rpyc.core.netref.BaseNetref"),
        ("from rpyc.core import netref", "rpyc.core.netref"),
        ("from rpyc.core import brine as b\nb.load(b'')", "rpyc.core.brine.load"),
        ("from rpyc.core import brine\nuse(brine)", "rpyc.core.brine as a whole"),
        ("from rpyc.core import brine\ngetattr(brine, 'load')", "rpyc.core.brine as a whole"),
        ("from rpyc.core.channel import Channel\nChannel.COMPRESSION_LEVEL", f"{CHANNEL}.COMPRESSION_LEVEL"),
        ("def f():\n  from rpyc.utils.registry import UDPRegistryServer", "rpyc.utils.registry.UDPRegistryServer"),
        (of_server("def close(self): pass"), f"{SERVER}.close"),
        (of_server("backlog = 5"), f"{SERVER}.backlog"),
        (of_server("def f(self): return self.clients"), f"{SERVER}.clients"),
        (of_server("def f(self): self.authenticator = None"), f"{SERVER}.authenticator"),
        (of_server("def f(self): super()._accept_method(1)"), f"{SERVER}._accept_method"),
    ],
)
def test_another_part_would_be_found(source, part):
    assert part in parts_in(source) - PARTS
