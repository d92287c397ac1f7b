"""`metermt ping`: is there a server?"""

import re

import pytest
from clients import ends_by
from commands import assert_refused

from metermt import connect


def test_ping_says_how_long_a_server_took_to_answer(metermt, crew_server):
    finished = metermt("ping", "-p", str(crew_server.port))

    assert finished.returncode == 0
    assert re.fullmatch(rf"localhost:{crew_server.port} answers in \d+\.\d ms\n", finished.stdout)


def test_ping_of_a_server_that_is_down_is_an_error_at_once(metermt, crew_server):
    crew_server.stop()
    with ends_by(5):
        finished = metermt("ping", "-p", str(crew_server.port))
    assert_refused(finished, f"Nobody answers at localhost:{crew_server.port}: Connection refused")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "70000"), "Invalid port 70000: use 1 to 65535, or 0 for any free one"),
        (("-h", "nobody.invalid"), r"Nobody answers at nobody\.invalid:11003: .+"),
        (("-h", "x" * 70), r"Nobody answers at x{70}:11003: no such host name"),
    ],
)
def test_ping_of_an_address_that_is_none_is_an_error(invoke, arguments, words):
    finished = invoke("ping", *arguments)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(f"Error: {words}\n", finished.stderr)


def test_ping_of_several_servers_says_which_one_has_answered(metermt, crew_server):
    finished = metermt("ping", "--server", f"localhost:{crew_server.port},localhost:1")

    assert finished.returncode == 0
    assert re.fullmatch(rf"localhost:{crew_server.port} answers in \d+\.\d ms\n", finished.stdout)


@pytest.mark.parametrize("servers", [("localhost:1,[::1]:2",), ("localhost:1", "--server", "[::1]:2")])
def test_ping_of_servers_that_are_down_names_them(servers, invoke):
    finished = invoke("ping", "--server", *servers)

    assert (finished.returncode, finished.stdout) == (1, "")
    words, tried = finished.stderr.rstrip().rsplit("; tried: ", 1)
    assert words == "Error: None of the servers answers"
    assert sorted(tried.split(", ")) == ["[::1]:2", "localhost:1"]


@pytest.mark.parametrize("program", ["ping", "console", "gui"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-h", "localhost"), "--server says which server: leave --host away"),
        (("-p", "11003"), "--server says which server: leave --port away"),
        (("--service", "METER", "--registry", "b"), "--server says which server: leave --service, --registry away"),
        (("--ssh", "carol@b"), "--server says which server: leave --ssh away"),
        (("--server", "b:c:d"), "Invalid value for '--server': Invalid server 'b:c:d': write it as HOST, HOST:PORT or"),
        (("--server", "b,"), "Invalid value for '--server': Invalid server '': write it as HOST, HOST:PORT or [IPV6]"),
    ],
)
def test_what_does_not_go_with_a_list_of_servers_is_refused_at_once(program, arguments, words, invoke):
    finished = invoke(program, "--server", "a", *arguments)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert words in finished.stderr


# --- by HTTP


@pytest.fixture
def web(serve, database):
    """A server that also speaks HTTP."""
    return serve(database, http=("localhost", 0))


def test_ping_by_http_says_how_long_a_server_took_that_is_ready(web, invoke):
    finished = invoke("ping", "--http", f"http://localhost:{web.http_port}")

    assert finished.returncode == 0
    assert re.fullmatch(rf"localhost:{web.http_port} answers in \d+\.\d ms\n", finished.stdout)


def test_ping_by_http_says_why_a_server_is_not_ready(web, invoke, monkeypatch):
    monkeypatch.setattr(web.store, "trouble", lambda: "The database cannot be reached")
    finished = invoke("ping", "--http", f"http://localhost:{web.http_port}/")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == f"Error: localhost:{web.http_port} is not ready: The database cannot be reached\n"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:1", "Nobody answers at localhost:1: Connection refused"),
        ("http://nobody.invalid", r"Nobody answers at nobody\.invalid:80: .+"),
    ],
)
def test_ping_by_http_where_no_server_is_is_an_error(url, words, invoke):
    finished = invoke("ping", "--http", url)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(f"Error: {words}\n", finished.stderr)


def test_ping_by_http_of_the_other_door_is_an_error(web, invoke):
    finished = invoke("ping", "--http", f"http://localhost:{web.port}")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert re.fullmatch(
        "Error: (The server hung up|The connection .* was lost|What answers at .*).*\n", finished.stderr
    )


@pytest.mark.parametrize("program", ["ping", "console", "gui"])
@pytest.mark.parametrize("url", ["localhost", "localhost:11002", "ftp://a", "http://a:70000", ""])
def test_what_is_no_url_is_refused_at_once(program, url, invoke):
    finished = invoke(program, "--http", url)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert f"Invalid value for '--http': Invalid URL {url!r}: write it as http://HOST:11002" in finished.stderr


def test_a_url_may_be_typed_in_capital_letters(web, invoke):
    assert invoke("ping", "--http", f"HTTP://localhost:{web.http_port}").returncode == 0
    with connect(f"HTTP://localhost:{web.http_port}") as client:
        client.ping()


def test_a_name_goes_with_no_address(invoke):
    finished = invoke("ping", "--service", "METER", "-h", "b", "--ssh", "carol@c")

    assert finished.returncode == 2
    assert "--service says which server: leave --host, --ssh away" in finished.stderr


def test_ping_by_http_names_its_server_in_the_url_only(invoke):
    finished = invoke("ping", "--http", "http://a", "-h", "b", "--service", "c")

    assert finished.returncode == 2
    assert "--http says which server: leave --host, --service away" in finished.stderr
