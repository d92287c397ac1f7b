"""Nothing is lost when server and clients are killed: the script runs in full, with shorter pauses."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "kill-test"


def run(*options):
    """Run the script to its end; return what it has printed."""
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_acknowledged_reading_is_lost_or_doubled_in_three_kills():
    said = run("--rounds", "3", "--longest", "0.6")

    assert said.startswith("3 kills, ")
    assert said.count("none lost, none twice") == 2
    assert "\n6 kills of clients with outboxes, " in said


def test_backups_exports_and_imports_beside_a_server_that_is_killed_are_whole():
    said = run("--rounds", "1", "--longest", "0.6", "--company")

    assert said.startswith("1 kills, ")
    assert "none lost, none twice" in said
    assert said.endswith(" imports: all of them whole\n")
