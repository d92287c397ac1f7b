"""What programs import from `metermt`, how it shows itself, and the example that uses it."""

import inspect
import runpy
import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest
from conftest import make_jobs
from servers import ROOT, fill, listening

import metermt
from metermt.calls.accounts import ChangedPassword, NewPassword, NewUser
from metermt.calls.asking import Ask, Caller
from metermt.calls.desk import Desk
from metermt.calls.sessions import LoggedIn, Login
from metermt.calls.table import CALLS
from metermt.certificates import Authority
from metermt.errors import CallError, Error, InvalidReading, InvalidTime
from metermt.model import Account, User
from metermt.serving import RunningServer, ServerSettings
from metermt.store.memory.store import MemoryStore
from metermt.transport.tls import ServerTls
from metermt.wire import fields_of


def test_what_a_client_can_raise_is_exported():
    raised = {
        *(cls for cls in vars(metermt.errors).values() if isinstance(cls, type) and issubclass(cls, Error)),
    }
    of_the_office = {"ListenError", "NotAMeterServer", "RegistryUnreachable"}
    of_databases = {"StoreGone", "StoreLocked", "StoreRefused", "StoreTooNew", "NotAStore"}
    names = {cls.__name__ for cls in raised} - of_the_office - of_databases

    assert names <= set(metermt.__all__)
    assert all(getattr(metermt, name) for name in metermt.__all__)


def test_the_names_are_found_without_being_asked_for_one_by_one():
    names = {}
    exec("from metermt import *", names)

    assert set(metermt.__all__) <= names.keys()
    assert set(metermt.__all__) <= set(dir(metermt))
    with pytest.raises(AttributeError, match="module 'metermt' has no attribute 'import_module_'"):
        metermt.import_module_  # noqa: B018 - asking is the test


def test_a_start_imports_no_more_than_it_needs():
    program = """
import sys

def tell():
    heavy = ("metermt.public", "metermt.client.client", "rpyc", "argon2", "apsw")
    print(*(name for name in heavy if name in sys.modules))

import metermt.cli, metermt.errors
tell()
import metermt.cli.users, metermt.cli.routes, metermt.cli.readings, metermt.cli.backup, metermt.cli.database
tell()
import metermt.console.dialogue, metermt.cli.serve
tell()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["", "argon2", "metermt.client.client rpyc argon2"]


def test_an_answer_has_the_order_of_submit_reading():
    parameters = list(inspect.signature(metermt.MeterClient.submit_reading).parameters)[1:-1]  # but for the code

    fields = list(fields_of(metermt.Answer))
    assert fields[: len(parameters)] == ["value" if name == "reading" else name for name in parameters]
    assert fields[len(parameters) :] == ["verified", "code"]  # the first for those who send many, without a network


def test_nothing_shows_a_password_or_a_session():
    user = User("carol", "Carol Dent")
    shown = repr(
        [
            Login("carol", "Secret"),
            LoggedIn("Secret", "Carol Dent"),
            NewUser(user, "Secret"),
            NewPassword("carol", "Secret"),
            ChangedPassword("Secret", "Secret"),
            Account(user, "Secret"),
            Ask(CALLS["get_job"], Caller(), "Secret", None),
        ]
    )

    assert "carol" in shown
    assert "Secret" not in shown


@pytest.fixture
def desk(demo_accounts):
    return Desk(fill(MemoryStore(), demo_accounts, make_jobs(5)))


@pytest.fixture
def client(server):
    with metermt.connect("localhost", server.port) as client:
        yield client


def test_a_client_says_where_it_is_and_who(client):
    place = f"localhost:{client.port}"
    assert repr(client) == f"<MeterClient of {place}>"
    client.login("carol", "carol")
    assert repr(client) == f"<MeterClient of {place} as carol>"
    assert client._session_id not in repr(client)
    client.close()
    assert repr(client) == f"<MeterClient of {place} as carol, closed>"


def test_a_closed_client_says_so(client):
    client.close()
    client.close()

    with pytest.raises(CallError, match="This client was closed: connect again"):
        client.get_job()


def test_a_date_and_a_decimal_are_told_what_they_lack(client):
    client.login("carol", "carol")

    with pytest.raises(InvalidTime, match=r"datetime.date\(2026, 11, 20\) has no time of day: give a datetime"):
        client.submit_reading("M00000", 5, when=date(2026, 11, 20))
    with pytest.raises(InvalidReading, match=r"Decimal\('5'\) is a Decimal: give a whole number, such as int\(value\)"):
        client.submit_reading("M00000", Decimal(5))
    assert client.get_status().total == 0


# --- the example


@pytest.fixture
def run_example(monkeypatch, capsys):
    """Run examples/read_route.py with these arguments; return its status and its words."""

    def run_example(*arguments):
        monkeypatch.setattr(sys, "argv", ["read_route.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "examples" / "read_route.py"), run_name="__main__")
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run_example


def test_the_example_reads_a_route(run_example, server, monkeypatch):
    monkeypatch.setattr("random.random", iter([0.5, 0.01, 0.5]).__next__)

    status, out, err = run_example("--port", server.port, "--password", "carol", "--most", 3)

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Welcome, Carol Dent"
    assert lines[3].endswith(": No signal from the meter")
    assert lines[-1].endswith("3 of 3 are yours")


def test_the_example_looks_twice_at_what_is_odd(run_example, monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.5)
    monkeypatch.setattr("random.randint", lambda lowest, _highest: lowest)  # what the meter showed last time

    with RunningServer(ServerSettings(port=0, demo=True)) as server:
        status, out, err = run_example("--port", server.port, "--password", "carol", "--most", 1)

    assert (status, err) == (0, "")
    assert "Reading 5902 for meter G72168 is the same as the last one: look again and send it again\n" in out
    assert out.endswith("1 of 1 are yours\n")


def test_the_example_ends_with_a_word_when_it_cannot_go_on(
    run_example, server, desk, tmp_path, silent_port, monkeypatch
):
    wrong = run_example("--port", server.port, "--password", "wrong")
    nobody = run_example("--port", silent_port, "--password", "carol")
    untrusted = run_example("--port", server.port, "--password", "carol", "--tls-ca", Authority(tmp_path).path)
    certificate, key = Authority(tmp_path).certify_server(["localhost"], "METER")
    with listening(desk, tls=ServerTls(certificate, key)) as encrypted:
        trusted = run_example("--port", encrypted.port, "--tls-ca", tmp_path / "ca.pem", "--password", "carol")
        monkeypatch.delattr("getpass.getpass")  # no password is asked for
        wanted = run_example("--port", encrypted.port)

    assert wrong == (1, "", "Invalid username or password: check --username and the password\n")
    assert nobody[0] == 1
    assert nobody[2].endswith(": check --host and --port, and whether a server runs there\n")
    assert untrusted[0] == 1
    assert untrusted[2].endswith("it does not answer in TLS; start it with --tls, or leave --tls-ca away\n")
    assert wanted[0] == 1
    assert wanted[2].endswith("give --tls-ca with a copy of its ca.pem (in Python tls_ca=)\n")
    assert trusted[0] == 0
    assert trusted[1].startswith("Welcome, Carol Dent\n")


@pytest.fixture
def silent_port(monkeypatch):
    """A port where nobody answers, and a client that does not wait there for long."""
    connect = metermt.connect

    def connect_soon(host, port, **options):
        return connect(host, port, **options, timeout=0.5 if port == 1 else 10)

    monkeypatch.setattr(metermt, "connect", connect_soon)
    return 1
