"""Strangers that send anything at all: the script runs as it does for hours, with smaller numbers."""

import sys
from pathlib import Path

import pytest
import warm
from rpyc.core import brine

from metermt.discovery import SIGNED, WRONG_TIME
from metermt.registry import RegistryServer
from metermt.signing import SharedKey

SCRIPTS = Path(__file__).parents[1] / "scripts"


def run(script, *options):
    """Run a script to its end; return its last line."""
    done = warm.run([sys.executable, SCRIPTS / script, *map(str, options)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_random_and_changed_frames_and_packets_leave_server_and_registry_as_they_were():
    few = ("--frames", 100, "--packets", 100, "--growth", 50)
    assert run("fuzz", *few, "--seed", 1, "--beside", "rows") == "no crash, no leak"


def test_idle_and_busy_readers_beside_one_another_are_all_served():
    few = ("--idle", 20, "--busy", 5, "--seconds", 1)
    assert run("crowd-test", *few, "--beside", "pings-195").endswith("nobody was refused")


def test_a_server_at_which_readers_come_and_go_stays_as_it_is():
    assert run("soak", "--minutes", 0.03, "--readers", 10, "--growth", 50) == "nothing has grown"


def test_a_script_says_what_it_does():
    done = warm.run([sys.executable, SCRIPTS / "fuzz", "--help"], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0
    assert "this machine" in done.stdout


@pytest.mark.parametrize("stamp", [10**400, -(10**400)], ids=["future", "past"])
def test_a_time_stamp_beyond_all_time_is_a_wrong_one(stamp):
    key = SharedKey(b"a key of sixteen")
    with RegistryServer(port=0, key=key) as registry:
        signed = brine.dump((b"run", stamp, ("RPYC", "UNREGISTER", (1, "10.0.0.1"))))
        answer = registry.answer(brine.dump((SIGNED, key.sign(signed), signed)), "127.0.0.1")
    assert brine.load(answer) == WRONG_TIME
