"""`python -m bench.counting`: what it costs a round that it is counted.

One process answers turns of rounds (a reading, and the next meter) as the switchboard does, with everything counted and
with nothing counted, by turns. Processor time is compared, as far as it can be told on a machine where others work;
nothing of the network is in it, so that in a server the share is smaller.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from unittest.mock import patch

from bench.record import BLOCK, Crew, spent
from metermt.calls import desk
from metermt.counting import Counting, Histogram
from metermt.store.opening import open_store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.counting", description=__doc__)
    parser.add_argument("--readers", type=int, nargs="*", default=[1, 64], help="who send a reading in each turn")
    parser.add_argument("--readings", type=int, default=40_000)
    wanted = parser.parse_args()
    for readers in wanted.readers:
        _measure(readers, wanted.readings)


def _measure(readers: int, number: int) -> None:
    blocks = max(number // readers // BLOCK // 2, 4)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "bench.db") as store:
        crew = Crew(store, readers, 2 * blocks * BLOCK)
        without, along = [], []
        for _ in range(blocks):
            with ExitStack() as patches:
                patches.enter_context(patch.object(desk, "_answered", lambda *_: ()))
                patches.enter_context(patch.object(Counting, "answered", lambda *_: None))
                patches.enter_context(patch.object(Histogram, "add", lambda *_: None))
                without.append(spent(lambda: crew.turns(BLOCK)))
            along.append(spent(lambda: crew.turns(BLOCK)))
    base = median(processor for processor, _ in without) / BLOCK / readers
    more = median(b[0] - a[0] for a, b in zip(without, along, strict=True)) / BLOCK / readers
    print(
        f"{readers} readers a turn: {base:.1f} us of processor time a round without counting,"
        f" {more:+.2f} us with it: {more / base:+.1%}"
    )


if __name__ == "__main__":
    main()
