"""A program of `bench`, such as `bench.year --quick`, whose servers and commands are forked from a warm process."""

import runpy
import subprocess
import sys
from pathlib import Path

import warm

ROOT = Path(__file__).parents[2]


class Popen(warm.Popen):
    """`subprocess.Popen`, faster for what `bench` starts as modules: a module here is known by its file."""

    def __init__(self, args, **settings):
        if args[:2] == [sys.executable, "-m"]:
            module = ROOT.joinpath(*args[2].split("."))
            file = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
            args = [sys.executable, file, *args[3:]]
        super().__init__(args, **settings)


if __name__ == "__main__":
    del sys.argv[0]
    sys.path[0] = str(ROOT)
    subprocess.Popen = Popen
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
