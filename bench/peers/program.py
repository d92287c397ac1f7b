"""What the peers' programs share: their options, and how they say that they are ready."""

import argparse
import os
from pathlib import Path


def options(*more: str) -> argparse.Namespace:
    """Read `--notify FILE`, the file that the port is written to, and further options with a number each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--notify", type=Path, required=True)
    for name in more:
        parser.add_argument(name, type=int, default=0)
    return parser.parse_args()


def announce(notify: Path, port: int) -> None:
    """Say that clients may come."""
    part = notify.with_suffix(f".{os.getpid()}")
    part.write_text(f"127.0.0.1:{port}\n")
    part.replace(notify)
