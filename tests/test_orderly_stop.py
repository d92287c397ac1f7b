"""A server that is told to stop under load ends in order: the script runs in full, with fewer rounds."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "stop-test"


def test_no_acknowledged_reading_is_lost_in_two_orderly_stops():
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, "--rounds", "2", "--longest", "0.4"],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("2 stops, ")
    assert "none lost, none twice" in done.stdout
    assert "Traceback" not in done.stderr
    assert " ERROR " not in done.stderr
