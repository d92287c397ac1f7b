"""Nothing is lost when server and clients are killed: the script runs in full, with shorter pauses."""

import sys
from pathlib import Path

import warm

SCRIPT = Path(__file__).parents[1] / "scripts" / "kill-test"


def run(*options):
    """Run the script to its end; return what it has printed."""
    done = warm.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_acknowledged_reading_is_lost_or_doubled_in_two_kills_beside_backups_exports_and_imports():
    said = run("--rounds", "2", "--longest", "0.6", "--company")

    assert said.startswith("2 kills, ")
    assert said.count("none lost, none twice") == 2
    assert "\n5 kills of clients with outboxes, " in said
    assert said.endswith(" imports: all of them whole\n")
