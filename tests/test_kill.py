"""Nothing acknowledged is lost when the server is killed: the script runs in full, with shorter pauses."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "kill-test"


def test_no_acknowledged_reading_is_lost_or_doubled_in_fifty_kills():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--rounds", "50", "--longest", "0.6"], capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("50 kills, ")
    assert "none lost, none twice" in done.stdout
