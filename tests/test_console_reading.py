"""The console of a reader who walks a route, alone or among others."""

import threading
from datetime import timedelta

import pytest
from conftest import CYCLE, OTHER_CYCLE, make_job, refusal_of, start, wait_until
from terminals import CLIENT_CONSOLE, CTRL_C, PROMPTS, answers_of, exported, piped

from metermt.client.client import connect

# --- reading


def test_a_walk_from_the_first_stop_to_the_last(serve, invoke, open_console, database_path, tmp_path):
    route = tmp_path / "november.csv"
    route.write_text(
        "meter,route,sequence,address,dials,instructions\n"
        'G5248,North,10,4 Mill Street,5,"Dog in the yard, ring first"\n'
        "G72168,North,20,Größe 3,,\n"
        "W1,North,30,,,Behind the shed\n",
        encoding="utf-8",
    )
    invoke("users", "add", "dora", "--name", "Dora Ek", "--password-stdin", stdin="a horse")
    invoke("routes", "import", str(route), "--cycle", CYCLE)
    terminal = open_console(serve(database_path))
    terminal.log_in("dora", "a horse")
    for number in (5983, 0, 100):
        terminal.answer("Reading for meter", str(number))

    assert terminal.end() == 0
    assert terminal.seen == (
        "Username [adam]: dora\nPassword: \nWelcome, Dora Ek, to Meter RPYC\n"
        "Route North, stop 10: 4 Mill Street\nDog in the yard, ring first\nReading for meter G5248: 5983\n"
        "Accepted: you have read 1 out of 1 readings\n"
        "Route North, stop 20: Größe 3\nReading for meter G72168: 0\n"
        "Accepted: you have read 2 out of 2 readings\n"
        "Route North, stop 30\nBehind the shed\nReading for meter W1: 100\n"
        "Accepted: you have read 3 out of 3 readings\n"
        "All jobs are done.\n"
    )
    assert answers_of(database_path) == [
        ("G5248", "5983", "", "dora", "1"),
        ("G72168", "0", "", "dora", "1"),
        ("W1", "100", "", "dora", "1"),
    ]


def test_a_reader_for_whom_there_is_nothing_to_do_is_told_so(serve, make_walk):
    server = serve(make_walk())

    done = piped("carol\ncarol\n", *CLIENT_CONSOLE, "-p", server.port)

    assert done.stdout.decode().endswith("Welcome, Carol Dent, to Meter RPYC\nNo routes have been imported.\n")
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_no_reading_is_asked_for_again(serve, make_walk):
    database = make_walk(make_job("G72168", dials=5))
    server = serve(database)
    refused = {
        "2980q": "Invalid reading: '2980q' is not a whole number",
        "59.83": "Invalid reading: '59.83' is not a whole number",
        "-1": "Invalid reading: -1 is below zero; give a reason if there is none",
        "\uff15": "Invalid reading: '\uff15' is not a whole number",
        "1" * 21: f"Invalid reading: '{'1' * 21}' is not a whole number",
        "100000": "Invalid reading: 100000 is too long, the register of G72168 has 5 digits",
    }

    done = piped("\n".join(["carol", "carol", *refused, " 05983 "]), *CLIENT_CONSOLE, "-p", server.port)

    prompt = "Route North, stop 0\nReading for meter G72168: "
    at_the_keyboard, at_the_server = list(refused.items())[:-1], list(refused.items())[-1]
    assert done.stdout.decode().partition("Meter RPYC\n")[2] == (
        prompt
        + "Reading for meter G72168: ".join(f"{typed}\n{said}\n" for typed, said in at_the_keyboard)
        + f"Reading for meter G72168: {at_the_server[0]}\n{at_the_server[1]}\n"
        + f"{prompt}05983\nAccepted: you have read 1 out of 1 readings\nAll jobs are done.\n"
    )
    assert answers_of(database) == [("G72168", "5983", "", "carol", "1")]


def test_a_reason_that_is_refused_is_asked_for_again(serve, make_walk):
    database = make_walk(make_job())
    server = serve(database)

    done = piped(f"carol\ncarol\n\n{'x' * 501}\n\na\tb\n\n Größe 3 🐕 \n", *CLIENT_CONSOLE, "-p", server.port)

    assert "Invalid reason: it has 501 characters, 500 are allowed\n" in done.stdout.decode()
    assert "Invalid reason: it has control characters in it, such as a line end\n" in done.stdout.decode()
    assert answers_of(database) == [("G72168", "", "Größe 3 🐕", "carol", "1")]


def test_an_address_beyond_the_terminals_letters_is_shown_as_far_as_can_be(serve, make_walk):
    server = serve(make_walk(make_job(address="Größe 3")))

    done = piped("carol\ncarol\n", *CLIENT_CONSOLE, "-p", server.port, PYTHONIOENCODING="ascii")

    assert b"Route North, stop 0: Gr??e 3\n" in done.stdout
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("answers", "encoding"),
    [
        (b"carol\ncaf\xe9\n", "utf-8:surrogateescape"),
        (b"carol\ncarol\n\ncaf\xe9\n", "utf-8:surrogateescape"),
        (b"carol\ncarol\n\ncaf\xe9\n", "utf-8"),
    ],
    ids=["password", "reason", "reason, strictly"],
)
def test_bytes_that_are_no_text_do_not_end_in_a_traceback(demo_server, answers, encoding):
    done = piped(answers, *CLIENT_CONSOLE, "-p", demo_server.port, PYTHONIOENCODING=encoding)

    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.parametrize("prompt", ["Password", "Reason"])
def test_a_terminal_of_another_encoding_does_not_end_in_a_traceback(demo_server, open_console, prompt):
    terminal = open_console(demo_server)
    terminal.answer(*PROMPTS[prompt])
    terminal.wait_for(prompt)
    terminal.wait_for(": ")
    terminal.type_bytes(b"caf\xe9")
    terminal.wait_for("\r\n")
    if terminal.goes_on():
        terminal.press(CTRL_C)
        terminal.end()

    assert "Traceback" not in terminal.seen


# --- meters that others take over


A_SECOND = timedelta(seconds=1.2)


def test_a_meter_that_another_has_read_meanwhile_gives_way_to_the_next(serve, make_walk, open_console):
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    server = serve(database, lease=A_SECOND)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    with connect(port=server.port) as eric:
        eric.login("eric", "eric")
        wait_until(lambda: not refusal_of(eric.submit_reading, "G1", 100), "carol's time for G1 is over")
    terminal.type("5983")

    terminal.answer("\r\nMeter G1 was already read this cycle by eric\r\nThrow away your reading 5983", "y")
    assert terminal.meter() == "G2"
    terminal.type("42")
    assert terminal.end() == 0
    assert answers_of(database) == [("G1", "100", "", "eric", "1"), ("G2", "42", "", "carol", "1")]


def test_a_meter_that_another_is_reading_by_now_gives_way_to_the_next(serve, make_walk, open_console):
    server = serve(make_walk(make_job("G1")), lease=A_SECOND)
    terminal = open_console(server)
    terminal.log_in()
    assert terminal.meter() == "G1"
    with connect(port=server.port) as eric:
        eric.login("eric", "eric")
        wait_until(eric.get_job, "carol's time for G1 is over")
        refused = threading.Event()
        keeping = start(lambda: wait_until(lambda: eric.get_job() and refused.is_set(), "carol is refused"))
        terminal.type("5983")
        terminal.answer("\r\nMeter G1 is being read by eric: ask for another one\r\nThrow away your reading", "y")
        terminal.wait_for("1 job is left, with another reader: 1 with eric.\r\n")
        refused.set()
        keeping()

    assert terminal.end() == 0


def test_a_meter_whose_cycle_was_closed_gives_way_to_the_next(serve, invoke, make_walk, open_console):
    database = make_walk(make_job("G1"), make_job("G2", sequence=1))
    server = serve(database)
    terminal = open_console(server)
    terminal.log_in()
    terminal.meter()
    invoke("cycles", "close", CYCLE, "--force")
    terminal.type("5983")
    closed = "Cycle 2026-11 is closed: meter G1 is not read for it any more; ask for another job"
    terminal.answer(f"\r\n{closed}\r\nThrow away your reading 5983 for meter G1? [y/N]: ", "")
    kept = "It is kept on this device: you are asked about it when you log in again"
    terminal.wait_for(f"\r\n{kept}\r\nNo cycle is open.\r\n")
    assert terminal.end() == 0

    terminal = open_console(server)
    terminal.log_in()
    terminal.wait_for("A reading that you typed here is not confirmed:\r\n  5983 for meter G1, cycle 2026-11, typed 20")
    terminal.answer("\r\nSend it now? [Y/n]: ", "")
    terminal.answer(
        f"\r\nRefused: 5983 for meter G1. {closed}\r\nThrow away your reading 5983 for meter G1? [y/N]: ", "y"
    )
    terminal.wait_for("\r\nNo cycle is open.\r\n")
    assert terminal.end() == 0
    assert "confirmed" not in piped("carol\ncarol\n", *CLIENT_CONSOLE, "-p", server.port).stdout.decode()


def test_what_is_typed_for_a_cycle_that_was_removed_is_kept(serve, invoke, make_walk, open_console):
    terminal = open_console(serve(make_walk(make_job("G1"))))
    terminal.log_in()
    terminal.meter()
    invoke("cycles", "remove", CYCLE, "--yes")
    terminal.type("5983")
    gone = "There is no cycle '2026-11' any more: ask for another job"
    terminal.answer(f"\r\n{gone}\r\nThrow away your reading 5983 for meter G1? [y/N]: ", "")
    terminal.wait_for("It is kept on this device: you are asked about it when you log in again\r\n")
    assert terminal.end() == 0


def test_a_reading_for_a_cycle_that_was_closed_is_not_filed_for_the_next(
    serve, invoke, make_walk, open_console, tmp_path
):
    database = make_walk(make_job("G1"))
    terminal = open_console(serve(database))
    terminal.log_in()
    terminal.meter()
    route = tmp_path / "december.csv"
    route.write_text("meter,route,sequence\nG1,North,0\n", encoding="utf-8")
    invoke("cycles", "close", CYCLE, "--force")
    invoke("routes", "import", str(route), "--cycle", OTHER_CYCLE)
    terminal.type("5983")
    terminal.wait_for("\r\nCycle 2026-11 is closed: meter G1 is not read for it any more; ask for another job\r\n")
    terminal.answer("Throw away", "y")
    assert terminal.meter() == "G1"
    terminal.type("6000")

    assert terminal.end() == 0
    assert [(row["cycle"], row["reading"]) for row in exported(database)] == [(OTHER_CYCLE, "6000")]


def test_a_reader_without_a_job_is_told_who_has_the_rest(serve, make_walk, open_console):
    server = serve(make_walk(*(make_job(f"G{number}", sequence=number) for number in range(13))))
    with connect(port=server.port) as eric, connect(port=server.port) as adam:
        terminal = open_console(server)
        terminal.log_in()
        terminal.meter()
        for client, username, jobs in ((eric, "eric", 5), (adam, "adam", 7)):
            client.login(username, username)
            assert len(client.get_jobs(jobs)) == jobs
        terminal.type("5983")
        assert terminal.end() == 0
    assert terminal.seen.endswith(
        "Accepted: you have read 1 out of 1 readings\n"
        "12 jobs are left, all with other readers: 7 with adam, 5 with eric.\n"
        "Jobs done: 1 by you, 1 by all readers, of 13.\n"
    )
