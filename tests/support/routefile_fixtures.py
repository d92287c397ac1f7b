"""Writes and imports route files: a module of tests has these fixtures when its `pytest_plugins` name this one."""

import pytest
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
def import_routes(invoke):
    """Do as `metermt routes import` does with a file."""

    def import_routes(path, *options, stdin=None, cycle=CYCLE):
        return invoke("routes", "import", str(path), *options, "--cycle", cycle, stdin=stdin)

    return import_routes
