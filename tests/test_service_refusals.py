"""What a plain RPyC client is told of calls that are none, of errors, and of odd values in the right places."""

import json

import apsw
import pytest
from conftest import WHEN, make_jobs
from memory_fixtures import *  # noqa: F403 - the fixtures
from memory_fixtures import on_all_stores
from peers import answers, code_of, fails
from proxy import Proxy
from readers import readings_in
from rpyc.core import consts
from servers import ROOT, BrokenStore, fill, listening

from metermt.calls.desk import Desk
from metermt.errors import BY_CODE
from metermt.store.sqlite.store import SqliteStore

SURROGATE, HUGE, NUL, NAN = "\ud800", 10**5000, "\0", float("nan")
ODD = [
    pytest.param(SURROGATE, id="surrogate"),
    pytest.param(HUGE, id="10**5000"),
    pytest.param(10**4000, id="10**4000"),
    pytest.param(NUL, id="NUL"),
    pytest.param(NAN, id="nan"),
    pytest.param(float("inf"), id="inf"),
    pytest.param(b"\xff", id="bytes"),
    pytest.param((), id="tuple"),
    pytest.param(1j, id="complex"),
    pytest.param(..., id="ellipsis"),
]


# --- calls that are none


@pytest.mark.parametrize(
    ("call", "args", "kwargs", "words"),
    [
        ("login", (), {}, "login wants username, password"),
        ("login", ("carol",), {}, "login wants username, password"),
        ("login", ("carol", "carol", "127.0.0.1"), {}, "login takes 2 arguments, not 3"),
        ("login", ("carol", "carol"), {"address": "127.0.0.1"}, "login has no argument 'address'"),
        ("login", ("carol", "carol"), {"username": "carol"}, "login has no argument 'username', or it was given twice"),
        ("login", ("carol", "carol"), {"self": None}, "login has no argument 'self'"),
        ("login", ("carol", "carol"), {"x" * 1000: None}, f"login has no argument '{'x' * 40}'"),
        ("get_job", (), {}, "get_job wants a session id"),
        ("get_job", (), {"text": "{}"}, "get_job has no argument 'text'"),
        ("get_status", ("x", "y"), {}, "get_status takes 1 arguments, not 2"),
        ("submit_reading", ("x",) * 9, {}, "submit_reading takes 8 arguments, not 9"),
        ("submit_reading", (), {"meter": "M00000"}, "submit_reading wants a session id"),
        ("submit_reading", ("x",), {}, "submit_reading wants meter, when, reading, reason, key"),
        ("submit_and_next", ("x", "{}", "{}"), {}, "submit_and_next takes 2 arguments, not 3"),
        ("ping", ("x",), {}, "ping takes 0 arguments, not 1"),
    ],
)
def test_a_call_with_the_wrong_arguments_is_told_so(call, args, kwargs, words, root):
    with pytest.raises(Exception, match=f"^{words}") as caught:
        getattr(root, call)(*args, **kwargs)

    assert caught.value.code == "call"
    root.ping()


def test_an_argument_that_is_left_out_has_its_default(root, session, store):
    assert code_of(root.submit_reading, session, "M00000") == "invalid-reading"  # neither a reading nor a reason
    root.submit_reading(session, "M00000", reading=7)

    (reading,) = readings_in(store)
    assert (reading.answer.value, reading.answer.reason, reading.answer.key) == (7, "", None)
    assert reading.answer.when == reading.recorded_at


@pytest.mark.parametrize(
    "name",
    [
        *("no_such_call", "exposed_no_such_call", "", "login ", SURROGATE.encode("utf8", "replace").decode()),
        *("caller", "ask", "names", "on_connect", "on_disconnect", "_connect", "ALIASES", "exposed_exposed_login"),
        *("__class__", "__dict__", "__init__", "__getattribute__", "__reduce_ex__", "__subclasshook__", "__module__"),
    ],
)
def test_a_name_that_is_not_exposed_is_no_call(name, connection):
    root = connection.root
    for handler, *more in ((consts.HANDLE_GETATTR,), (consts.HANDLE_CALLATTR, ())):
        with pytest.raises(AttributeError) as caught:
            connection.sync_request(handler, root, name, *more)
        assert caught.value.args == ("There is no such call",)

    root.ping()


@pytest.mark.parametrize("name", ["__func__", "__self__", "__globals__", "__code__", "__wrapped__", "__closure__"])
def test_behind_a_call_there_is_nothing_to_reach(name, connection):
    with pytest.raises(AttributeError):
        connection.sync_request(consts.HANDLE_GETATTR, connection.root.login, name)


@pytest.mark.parametrize("call", ["login", "get_job", "ping"])
def test_a_call_cannot_be_replaced(call, plain, server):
    first, second = plain(server).root, plain(server).root
    with pytest.raises((AttributeError, EOFError)):
        setattr(first, call, "mine")
    with pytest.raises((AttributeError, EOFError)):
        delattr(second, call)

    root = plain(server).root
    assert root.get_status(root.login("carol", "carol")[0]) == (0, 0)
    root.ping()


# --- errors


def test_an_error_carries_its_code_and_its_text_and_nothing_else(server, plain):
    with Proxy(server.port) as proxy:
        root = plain(proxy).root
        session, _ = root.login("carol", "carol")
        before = len(proxy.from_server)

        codes = [
            code_of(root.login, "carol", "wrong"),
            code_of(root.get_job, "no session"),
            code_of(root.submit_reading, session, "G1", WHEN, 1),
            code_of(root.submit_reading, session, "M00000", "soon", 1),
            code_of(root.submit_reading, session, "M00000", WHEN, 10**6),
            code_of(root.submit_reading, session, "M00000", WHEN, -1),
            code_of(root.submit_reading, session, "M00000", WHEN, 1, "\n"),
            code_of(root.submit_reading, session, "M00000", WHEN, 1, "", "a key"),
            code_of(root.get_jobs, session, '{"n": 0}'),
            code_of(root.list_users, session),
            code_of(root.login, []),
            code_of(root.login),
        ]
        with pytest.raises(AttributeError) as caught:
            _ = root.no_such_call
        told = b"".join(proxy.from_server[before:])

    assert set(codes) < set(BY_CODE)
    assert caught.value._remote_tb == ""
    for secret in (b"Traceback", b".py", b"site-packages", str(ROOT).encode(), b"_version"):
        assert secret not in told


def test_the_details_of_an_error_cross_as_pairs(root, session, server, plain):
    adams = plain(server).root
    adams_session, _ = adams.login("adam", "adam")
    assert adams.get_job(adams_session) == "M00000"

    with pytest.raises(Exception, match="adam") as caught:
        root.submit_reading(session, "M00000", WHEN, 1)
    assert (caught.value.code, caught.value.details) == ("meter-leased", (("username", "adam"),))

    with pytest.raises(Exception, match="Invalid") as caught:
        root.get_job("no session")
    assert not hasattr(caught.value, "details")


@pytest.mark.parametrize(
    ("call", "args", "code", "text"),
    [
        ("login", ("carol", "wrong"), "login", "Invalid username or password"),
        ("login", ("nobody", "wrong"), "login", "Invalid username or password"),
        ("get_job", ("no session",), "session", "Invalid session ID"),
        ("get_status", ("no session",), "session", "Invalid session ID"),
        ("submit_reading", ("no session", "M00000", WHEN, 1), "session", "Invalid session ID"),
    ],
)
def test_errors_of_the_original_calls(call, args, code, text, root):
    with pytest.raises(Exception, match=text) as caught:
        getattr(root, call)(*args)

    assert caught.value.args == (text,)
    assert caught.value.code == code
    assert type(caught.value).__mro__[1].__name__ == f"metermt.errors.{BY_CODE[code].__name__}"


def test_a_fault_of_the_server_crosses_as_an_id_under_which_the_log_has_the_details(
    demo_accounts, plain, expected_errors
):
    store = fill(BrokenStore(), demo_accounts, make_jobs(1))
    with listening(Desk(store)) as server, Proxy(server.port) as proxy:
        root = plain(proxy).root
        session, _ = root.login("carol", "carol")
        with pytest.raises(Exception, match=r"^Internal error [0-9a-f]{8}: tell whoever runs the server") as caught:
            root.get_status(session)
        with pytest.raises(Exception, match=r"^Internal error") as again:
            root.get_status(session)
        assert root.get_job(session) == "M00000"
        told = b"".join(proxy.from_server)

    (first,) = expected_errors  # the second is counted, under the same id
    correlation_id = caught.value.args[0].split()[2].rstrip(":")
    assert first.getMessage() == f"internal error {correlation_id}"
    assert again.value.args == caught.value.args
    assert again.value.code == "internal"
    error = first.exc_info[1]
    assert repr(error) == "RuntimeError('cannot read /var/lib/metermt/carol')"
    assert error.__traceback__ is not None
    assert b"RuntimeError" not in told
    assert b"/var" not in told


def test_a_locked_database_is_told_without_saying_where_it_is(demo_accounts, database_path, plain, expected_errors):
    with SqliteStore(database_path, busy_seconds=0.05) as store:
        fill(store, demo_accounts, make_jobs(1))
        with listening(Desk(store)) as server:
            root = plain(server).root
            session, _ = root.login("carol", "carol")
            other = apsw.Connection(str(database_path))
            try:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(Exception) as caught:  # noqa: PT011 - its text is what this is about
                    root.get_job(session)
            finally:
                other.close()
            assert root.get_job(session) == "M00000"

    assert caught.value.code == "store-locked"
    assert str(database_path.parent) not in caught.value.args[0]
    assert len(expected_errors) == 1


# --- odd values


@on_all_stores
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_in_any_argument_is_refused_and_the_connection_lives(odd, root, session, store):
    for call, *arguments in (
        ("login", "carol", "carol"),
        ("get_job", session),
        ("next_job", session),
        ("get_jobs", session, '{"n": 1}'),
        ("submit_reading", session, "M00000", WHEN, 1, "", "a-key"),
        ("submit_and_next", session, '{"meter": "M00000", "value": 1}'),
        ("submit_readings", session, answers(("M00000", 1))),
        ("get_status", session),
        ("hello", "{}"),
        ("logout", session),
    ):
        for place in range(len(arguments)):
            values = [*arguments[:place], odd, *arguments[place + 1 :]]
            assert fails(getattr(root, call), *values), f"{call} took it as argument {place}"
            assert root.get_status(session) == (0, 0)

    assert readings_in(store) == []


@on_all_stores
def test_a_text_with_a_nul_is_refused_before_it_reaches_the_database(root, session, store):
    for call in (root.skip_job, root.leave_note, root.count_route, root.find_meters):
        odd = json.dumps({"meter": "\0", "text": "\0", "cycle": "\0", "route": "\0"})
        with pytest.raises(Exception, match=r"^A text has the character NUL \(\\u0000\) in it") as caught:
            call(session, odd)
        assert caught.value.code == "call"
    for field in ("cycle", "code"):  # of answers, each is told what is wrong with it
        odd = json.dumps({"answers": [{"meter": "M00000", "value": 1, "reason": "dog", field: "\0"}]})
        (error,) = json.loads(root.submit_readings(session, odd))
        assert error["code"] in ("unknown-cycle", "invalid-reason", "unknown-meter")
    assert root.get_status(session) == (0, 0)


@pytest.mark.parametrize("place", range(4))
def test_a_long_value_is_not_sent_back(place, root, session):
    for long in ("x" * 500_000, "\0" * 500_000):
        values = ["M00000", WHEN, 1, "", "a-key"]
        values[place] = long
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its text is what this is about
            root.submit_reading(session, *values)
        assert len(caught.value.args[0]) < 200


@on_all_stores
@pytest.mark.parametrize(
    "written",
    [r'"\u0000"', "1e300", "1" * 300, "[1]", "{}", "true"],
    ids=["NUL", "1e300", "300 digits", "list", "dict", "bool"],
)
def test_an_odd_value_among_many_readings_hinders_no_other(written, root, session, store):
    for place, name in enumerate(("meter", "when", "value", "reason", "key")):
        good = json.dumps({"meter": f"M0000{place}", "value": 1})
        odd = ", ".join(
            f'"{field}": {written if field == name else json.dumps(value)}'
            for field, value in {"meter": "M00000", "when": WHEN, "value": 2, "reason": "", "key": None}.items()
        )

        none, error = json.loads(root.submit_readings(session, f'{{"answers": [{good}, {{{odd}}}]}}'))

        assert none is None
        assert error["code"] in BY_CODE
        assert len(error["text"]) < 200
        assert root.get_status(session) == (place + 1, place + 1)

    assert [reading.answer.value for reading in readings_in(store)] == [1] * 5


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "null", "[]", "7", '{"answers": null}', '{"answers": {}}', '{"answers": [1]}'),
        *('{"answers": [[]]}', '{"answers": [{}]}', '{"answers": [{"value": 1}]}', "{}", '{"answer": []}'),
        "[" * 100_000,
        '{"answers": ' + "[" * 100_000,
        *(
            f'{{"answers": [{{"meter": "M00000", "value": {odd}}}]}}'
            for odd in (r'"\ud800"', "NaN", "Infinity", "1e400")
        ),
        f'{{"answers": [{"1" * 5000}]}}',
        f'{{"answers": [{"{}," * 1000}{{}}]}}',
        answers(*[("M00000", 1)] * 1001),
    ],
    ids=lambda text: text[:22] or "empty",
)
def test_a_text_that_makes_no_sense_is_refused(text, root, session):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its code and its text are what this is about
        root.submit_readings(session, text)

    assert caught.value.code == "call"
    assert len(caught.value.args[0]) < 250
    assert root.get_status(session) == (0, 0)
