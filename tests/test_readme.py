"""The README, followed word for word."""

import builtins
import io
import json
import os
import re
import shutil
import subprocess

import pexpect
import pytest
import rpyc
from commands import METERMT, rows_in
from conftest import DEADLINE, wait_until
from servers import ROOT
from terminals import WAITING

from metermt.serving import RunningServer, ServerSettings

PASSWORD = "her password"
README = (ROOT / "README.md").read_text(encoding="utf-8")
WALK = README.partition("\n## Five minutes\n")[2].partition("\n### Readers elsewhere\n")[0]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", WALK, re.MULTILINE | re.DOTALL)
ELSEWHERE = README.partition("\n## Programs in other languages\n")[2]
BY_JSON = (ROOT / "docs" / "HTTP.md").read_text(encoding="utf-8").partition("\n## JSON\n")[2]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"(Username \[carol\]|Password|Reading for meter \w+|Reason for meter \w+): ?(.*)")


@pytest.fixture
def at_home(environment, tmp_path):
    """What carol finds around her: the commands, and a folder of her own."""
    names = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "carol")
    return environment | names | {"PATH": f"{METERMT.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def shell(at_home, tmp_path):
    """Run a line in a terminal, and type what it asks for; return all that was seen. It ends well."""

    def shell(line, *answers):
        seen = io.StringIO()
        child = pexpect.spawn(
            "bash", ["-c", line], env=at_home, cwd=tmp_path, encoding="utf-8", timeout=DEADLINE, dimensions=(24, 200)
        )
        child.logfile_read = seen
        for question, answer in answers:
            child.expect_exact(question)
            child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0, seen.getvalue()
        return seen.getvalue().replace("\r\n", "\n")

    return shell


@pytest.fixture
def serve(at_home, tmp_path):
    """Start a server by its line, on a free port; return that."""
    processes = []

    def serve(line):
        ready = tmp_path / "ready"
        command = f"exec {line.partition('#')[0]} -p 0 --notify {ready}"
        processes.append(
            subprocess.Popen(("bash", "-c", command), env=at_home, cwd=tmp_path, stdout=subprocess.DEVNULL)
        )
        wait_until(ready.exists, "the server is ready")
        return int(ready.read_text().rpartition(":")[2])

    yield serve
    for process in processes:
        process.terminate()
        assert process.wait(DEADLINE) == 0


@pytest.fixture
def run_python(monkeypatch):
    """Run a program against a server on this port, in front of somebody who reads 5 on every register."""
    connections = []
    connect = rpyc.connect

    def connect_here(*args):
        connections.append(connect(*args))
        return connections[-1]

    def run(text, port):
        exec(text.replace("11003", str(port)), {})

    monkeypatch.setattr(rpyc, "connect", connect_here)
    monkeypatch.setattr(builtins, "input", lambda _question: "5")
    yield run
    for connection in connections:
        connection.close()


def typed_in(transcript):
    """Return what was typed in a dialogue, with the question that it answers."""
    answers = [(found[1] + ": ", found[2]) for line in transcript if (found := PROMPT.fullmatch(line))]
    return [(question, PASSWORD if question == "Password: " else answer) for question, answer in answers]


def test_the_five_minutes_work_word_for_word(shell, serve, run_python, tmp_path):
    languages, texts = zip(*BLOCKS, strict=True)
    assert languages == ("csv", "sh", "sh", "console", "python", "python", "sh")
    route_file, office, server, dialogue, program, plain, month_end = texts
    (tmp_path / "november.csv").write_text(route_file, encoding="utf-8")

    imported, added, users, listed = office.splitlines()
    assert shell(imported).endswith("3 added, 0 changed, 0 unchanged.\n")
    shell(added, (": ", PASSWORD), ("Again: ", PASSWORD))
    assert "Carol Dent" in shell(users)
    assert [line.split() for line in shell(listed).splitlines()] == [
        ["cycle", "route", "done", "jobs", "given", "to"],
        ["2026-11", "Harbour", "0", "2"],
        ["2026-11", "Hill", "0", "1"],
    ]

    serving, ping, backup = server.splitlines()
    port = serve(serving)
    shell(f"{ping.partition('#')[0]} -p {port}")
    shell(backup)

    command, *transcript = dialogue.splitlines()
    seen = shell(f"{command.removeprefix('$ ')} -p {port}", *typed_in(transcript))
    assert [line.rstrip() for line in seen.replace(WAITING, "").splitlines()] == transcript

    run_python(program, port)
    run_python(plain, port)

    missing, export, close, following = month_end.splitlines()
    assert shell(missing) == "0 meters are not read.\n"
    shell(export)
    assert shell(close).endswith("0 meters were not read.\n")
    assert shell(following).startswith("Cycle 2026-12 is open: 3 jobs added.\n")
    rows = rows_in((tmp_path / "november-read.csv").read_text(encoding="utf-8"))
    assert [(row["meter"], row["reading"]) for row in rows] == [("W160926", "262"), ("W229515", ""), ("G72168", "5")]


def test_the_dialogue_shows_a_password_to_nobody():
    assert PASSWORD not in dict(BLOCKS)["console"]


def answers_to(text, port):
    """Follow the curl lines of the first block, for the demo with its door at this port; yield what they answer."""
    serve, *lines = SHELL.search(text)[1].replace("\\\n", "").splitlines()
    assert serve.partition("#")[0].split() == ["metermt", "serve", "--demo", "--http"]
    session = ""
    for line in lines:
        if line.startswith("curl "):
            command = ["bash", "-c", line.replace("curl", "curl -sS").replace("11002", str(port))]
            env = os.environ | {"SESSION": session}
            answer = json.loads(subprocess.run(command, env=env, capture_output=True, timeout=DEADLINE).stdout)
            session = session or answer["session_id"]
            yield answer


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here (Debian: curl)")
def test_the_lines_for_other_programs_work_as_they_stand():
    with RunningServer(ServerSettings(port=0, demo=True, http=("localhost", 0))) as server:
        (welcome,) = answers_to(ELSEWHERE, server.http_port)
        assert welcome["full_name"] == "Carol Dent"
        _, meter, accepted = answers_to(BY_JSON, server.http_port)
        assert (meter, accepted) == ("G72168", None)
