"""`metermt ping`: is there a server?"""

import re
import time

import pytest
from commands import assert_refused


def test_ping_says_how_long_a_server_took_to_answer(metermt, crew_server):
    finished = metermt("ping", "-p", str(crew_server.port))

    assert finished.returncode == 0
    assert re.fullmatch(rf"localhost:{crew_server.port} answers in \d+\.\d ms\n", finished.stdout)


def test_ping_of_a_server_that_is_down_is_an_error_at_once(metermt, crew_server):
    crew_server.stop()
    started = time.monotonic()

    assert_refused(
        metermt("ping", "-p", str(crew_server.port)),
        f"Nobody answers at localhost:{crew_server.port}: Connection refused",
    )
    assert time.monotonic() - started < 5


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
