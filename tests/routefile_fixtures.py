"""Writes and imports route files: a module of tests has these fixtures when its `pytest_plugins` name this one."""

import subprocess

import pytest
from commands import METERMT
from conftest import CYCLE


@pytest.fixture
def write(tmp_path):
    """Write a route file, from a text or from bytes."""

    def write(content, name="november.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def import_routes(database_path):
    """Run `metermt routes import` on a file."""

    def import_routes(path, *options, stdin="", cycle=CYCLE):
        command = (METERMT, "routes", "import", path, *options, "--cycle", cycle, "--database", database_path)
        return subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", timeout=60)

    return import_routes
