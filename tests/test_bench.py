"""A quick run of the benchmark names every system and gives figures that can be true.

How fast anything is, is not tested.
"""

import json
import sys

import pytest
import warm
from servers import ROOT

SYSTEMS = ["plain", "metermt", "metermt-tls", "metermt-memory", "xmlrpc", "pyro5", "grpc", "socket", "fdatasync"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Everything that a quick run wrote."""
    file = tmp_path_factory.mktemp("bench") / "results.json"
    command = [sys.executable, warm.BENCH, "bench", "--quick", "--json", file]
    done = warm.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Targets" in done.stdout
    return json.loads(file.read_text())


def test_every_system_is_measured_with_every_number_of_clients(results):
    assert [(row["system"], row["clients"]) for row in results["rows"]] == [(s, n) for n in (2,) for s in SYSTEMS]


def test_the_figures_of_rounds_can_be_true(results):
    for row in results["rows"]:
        assert row["rounds_per_s_min"] <= row["rounds_per_s"] <= row["rounds_per_s_max"]
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert 1 < row["server_rss_mb"] < 1000
        assert row["ratio"] == 1 or row["system"] != "plain"


def test_single_calls_are_timed_by_readings_stored(results):
    growth = {(row["system"], row["stored"]): row for row in results["growth"]}

    assert set(growth) == {(system, stored) for system in ("metermt", "plain") for stored in (0, 100)}
    assert all(row[f"{kind}_ms"] > 0 for row in growth.values() for kind in ("status", "job", "submission"))


def test_the_rest_is_there(results):
    bulk = results["bulk"]

    assert min(bulk[what]["per_s"] for what in ("submission", "import", "export")) > 0
    assert bulk["import"]["bare_per_s"] > 0
    assert results["start"]["full_s"] > 0
    assert results["idle"]["connections"] == 20
    assert results["console"]["s"] > 0
    assert results["window"] is None or results["window"]["s"] > 0
    assert results["machine"]["cores"] >= 1
    assert {target["verdict"] for target in results["targets"]} <= {"met", "not met", "not measured"}
