"""Those who watch a server over HTTP: whether it is alive and ready, and its figures."""

import http.client
import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from conftest import DEADLINE, wait_until
from memory_fixtures import *  # noqa: F403 - the fixtures
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from readers import Reader, fail_to_log_in
from web_fixtures import *  # noqa: F403 - the fixtures
from web_fixtures import web_door

from metermt.config import Limits
from metermt.diskspace import Space
from metermt.errors import DeadlineExceeded, StoreError
from metermt.signing import SharedKey
from metermt.store.begun import Over
from metermt.web import watching

DOCS = Path(__file__).parents[1] / "docs"
KEY = "0123456789abcdef"


def get(door, path, **headers):
    """Ask for a page; return the status and the text."""
    connection = http.client.HTTPConnection("localhost", door.port, timeout=15)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def figures(door):
    """Return what /metrics tells, by name and labels."""
    status, text = get(door, "/metrics")
    assert status == 200
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


@pytest.fixture
def guarded(desk, server):
    """A door that wants a key of those who watch."""
    with web_door(desk, server, Limits(watch_key=SharedKey(KEY.encode()))) as door:
        yield door


def fail():
    raise StoreError("The database is locked")


# --- health


def test_a_server_is_alive_and_ready(web):
    assert get(web, "/health/live") == (200, "alive\n")
    assert get(web, "/health/ready") == (200, "ready\n")


def test_a_server_whose_database_fails_is_alive_and_not_ready_and_says_why(web, store, monkeypatch):
    begin = store.begin
    monkeypatch.setattr(store, "begin", lambda *args, keeps=True: begin(*args) if keeps else Over(fail))
    assert get(web, "/health/live") == (200, "alive\n")
    assert get(web, "/health/ready") == (503, "The database is locked\n")
    assert get(web, "/health/ready", X_Forwarded_For="10.1.2.3") == (503, "not ready\n")


def test_a_server_whose_database_does_not_answer_in_time_is_not_ready_until_it_does(web, store, monkeypatch):
    class Silent:
        """A transaction that is never over."""

        is_over = False

        def wait(self, _seconds):
            return self.is_over

        def result(self):
            return None

    begun = []
    monkeypatch.setattr(store, "begin", lambda *_args, **_kwargs: begun.append(Silent()) or begun[-1])
    monkeypatch.setattr(watching, "_FRESH", 0.0)
    for _ in range(3):
        assert get(web, "/health/ready") == (503, "The database does not answer\n")
    assert len(begun) == 1, "it is asked again when it has answered"
    begun[0].is_over = True
    assert get(web, "/health/ready") == (200, "ready\n")


def test_a_server_whose_disk_is_nearly_full_is_not_ready(web, store, monkeypatch, tmp_path):
    monkeypatch.setattr(store, "file", lambda: tmp_path / "metermt.db")
    monkeypatch.setattr(watching, "space_at", lambda _path: Space(400_000_000, 10**12))
    words = "The disk of the database is nearly full: 400 MB are free, 0% of the disk\n"
    assert get(web, "/health/ready") == (503, words)


def test_it_is_looked_once_a_second_however_many_ask(web, store, monkeypatch):
    begun, begin = [], store.begin
    monkeypatch.setattr(store, "begin", lambda *args, **kwargs: begun.append(1) or begin(*args, **kwargs))
    monkeypatch.setattr(watching, "_FRESH", 60.0)
    assert [get(web, "/health/ready")[0] for _ in range(5)] == [200] * 5
    assert len(begun) == 1


# --- who may


def test_figures_are_told_on_this_machine_or_to_who_shows_the_key(guarded, web):
    assert get(web, "/metrics")[0] == 200
    assert get(guarded, "/metrics", Authorization=f"Bearer {KEY}")[0] == 200
    for authorization in ("Bearer wrong", "Bearer \u00e9"):
        assert get(guarded, "/metrics", Authorization=authorization)[0] == 401
    passed_on = {"X_Forwarded_For": "127.0.0.1"}
    assert get(web, "/metrics", **passed_on)[0] == 403
    assert get(guarded, "/metrics", **passed_on)[0] == 401
    assert get(guarded, "/metrics", Authorization=f"bearer {KEY}", **passed_on)[0] == 200


def test_a_page_that_has_its_own_name_point_at_this_machine_is_told_no_figures(web):
    for own in ("localhost:1", "127.0.0.1", "[::1]:1"):
        assert get(web, "/metrics", Host=own)[0] == 200
    for name in ("evil.example", f"evil.example:{web.port}", "[", "evil_x.example", "localhost.evil.example"):
        assert get(web, "/metrics", Host=name)[0] == 403, name


def test_all_who_wait_for_figures_are_told_the_same(web, monkeypatch):
    """One after the other, with a rest after each, who asks beside many would wait for longer than Prometheus does."""
    made, may_end = [], Event()

    def encoded(registry):
        made.append(registry)
        assert may_end.wait(DEADLINE)
        return generate_latest(registry)

    monkeypatch.setattr(watching, "choose_encoder", lambda _accepted: (encoded, "text/plain"))
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(get, web, "/metrics") for _ in range(5)]
        wait_until(lambda: made and len(web._answering._looks) == 4, "all but the first wait")
        may_end.set()
        told = {one.result() for one in asked}
    assert {status for status, _ in told} == {200}
    assert (len(made), len(told)) == (2, 2), "what was begun before they asked is not told to those who wait"


def test_who_looks_and_does_not_wait_is_no_fault(web, monkeypatch, caplog):
    async def give_up(_caller, _work):
        raise DeadlineExceeded("The client did not wait for its turn")

    monkeypatch.setattr(web._answering, "look", give_up)
    assert get(web, "/health/ready") == (503, "The client did not wait for its turn\n")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# --- figures


def test_what_a_server_does_is_in_its_figures(web, desk, connect, server):
    fail_to_log_in(desk, 1)
    client = connect(server)
    client.submit_reading("M00001", 5, when="2026-11-20T09:55:00Z")
    told = figures(web)
    assert told["metermt_logins_total", "in"] == told["metermt_logins_total", "wrong"] == 1
    assert told["metermt_logins_total", "locked-out"] == 0
    assert told["metermt_readings_total", "accepted"] == 1
    assert told["metermt_readings_flagged_total", "high"] == 0
    submitted = sum(told.get(("metermt_calls_total", call, "ok"), 0) for call in ("submit_reading", "submit_and_next"))
    assert submitted == 1
    assert told["metermt_call_seconds_count", "login"] == 2
    assert told["metermt_connections", "logged-in"] == 1
    assert told["metermt_connections", "stranger"] == 1, "who asks"
    assert told["metermt_waiting", "requests"] == 0
    assert told["metermt_database_up",] == 1


def test_a_client_that_waits_for_something_long_is_busy(web, connect, server, monkeypatch):
    client = connect(server)
    (guest,) = [one for one in server.guests._is_busy if one.caller.sessions]
    server.guests.note_busy(guest)
    told = figures(web)
    assert (told["metermt_connections", "busy"], told["metermt_connections", "logged-in"]) == (1, 0)
    assert client.ping() < 20


@pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)
def test_the_database_is_in_the_figures(web, desk):
    Reader(desk).submit("M00001")
    told = figures(web)
    assert told["metermt_database_bytes",] > 10_000
    assert told["metermt_commit_seconds_count",] >= 2
    assert {key[0] for key in told} >= {"metermt_build_info", "process_resident_memory_bytes"}
    assert any(key[0] == "metermt_disk_free_bytes" for key in told) == (desk.store.file() is not None)


# --- what comes with the docs


@pytest.fixture
def names(web, desk, store, monkeypatch, tmp_path, caplog):
    """The names of all figures that a server on a file tells."""
    monkeypatch.setattr(store, "file", lambda: tmp_path / "metermt.db")
    monkeypatch.setattr(store, "figures", lambda: type(store).figures(store)._replace(size=1))
    Reader(desk).submit("M00001")
    for _ in range(2):
        desk.journal.warning("wrong passwords", "10.0.0.1", "wrong password for carol")
    return {name for name, *_ in figures(web)}


METRIC = re.compile(r"\b((?:metermt|process)_\w+)")


def shown_by_the_dashboard():
    """Return what is asked of Prometheus, as Grafana would."""
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in shown]


def test_the_dashboard_and_the_alerts_name_figures_that_a_server_tells(names):
    shown = shown_by_the_dashboard()
    alerts = (DOCS / "alerts.yml").read_text()
    watched = "\n".join(line for line in alerts.splitlines() if not line.strip().startswith(("#", "summary", "descr")))
    for text in [*shown, watched]:
        assert set(METRIC.findall(text)) <= names


def promtool(*arguments, **options):
    program = shutil.which("promtool")
    if not program:
        pytest.skip("there is no promtool: see scripts/test")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, **options)


# What was told once a minute for an hour, of a server that is ill in every way, and of one that is well.
SERIES = """
      - {{series: 'up{{job="metermt", instance="{name}"}}', values: '{up}+0x60'}}
      - {{series: 'metermt_database_up{{instance="{name}"}}', values: '{up}+0x60'}}
      - {{series: 'metermt_disk_free_bytes{{instance="{name}"}}', values: '{free}+0x60'}}
      - {{series: 'metermt_disk_least_bytes{{instance="{name}"}}', values: '500+0x60'}}
      - {{series: 'metermt_call_seconds_bucket{{call="get_job", le="0.05", instance="{name}"}}', values: '0+{fast}x60'}}
      - {{series: 'metermt_call_seconds_bucket{{call="get_job", le="0.1", instance="{name}"}}', values: '0+1000x60'}}
      - {{series: 'metermt_call_seconds_bucket{{call="get_job", le="+Inf", instance="{name}"}}', values: '0+1000x60'}}
      - {{series: 'metermt_call_seconds_bucket{{call="login", le="10.0", instance="{name}"}}', values: '0+9000x60'}}
      - {{series: 'metermt_call_seconds_bucket{{call="login", le="+Inf", instance="{name}"}}', values: '0+9000x60'}}
      - {{series: 'metermt_commit_seconds_bucket{{le="0.1", instance="{name}"}}', values: '0+{fast}x60'}}
      - {{series: 'metermt_commit_seconds_bucket{{le="0.25", instance="{name}"}}', values: '0+1000x60'}}
      - {{series: 'metermt_commit_seconds_bucket{{le="+Inf", instance="{name}"}}', values: '0+1000x60'}}
      - {{series: 'metermt_logins_total{{outcome="locked-out", instance="{name}"}}', values: '0+{bad}x60'}}
      - {{series: 'metermt_log_lines_lost_total{{instance="{name}"}}', values: '0+{lost}x60'}}"""
ILL, WELL = (
    {"name": "ill", "up": 0, "free": 400, "fast": 900, "bad": 5, "lost": 1},
    {"name": "well", "up": 1, "free": 600, "fast": 995, "bad": 1, "lost": 0},
)


def test_prometheus_takes_the_alerts_and_tells_a_server_that_is_ill_from_one_that_is_well(tmp_path):
    alerts = re.findall(r"alert: (\w+)\n", (DOCS / "alerts.yml").read_text())
    expected = "".join(
        f"\n      - expr: count(ALERTS{{alertname='{alert}', alertstate='firing', instance='{name}'}}) or vector(0)"
        f"\n        eval_time: 50m\n        exp_samples: [{{labels: '{{}}', value: {int(name == 'ill')}}}]"
        for alert in alerts
        for name in ("ill", "well")
    )
    path = tmp_path / "alerts-test.yml"
    series = SERIES.format(**ILL) + SERIES.format(**WELL)
    path.write_text(
        f"rule_files: [{DOCS / 'alerts.yml'}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n"
        f"    input_series:{series}\n    promql_expr_test:{expected}\n"
    )
    finished = promtool("test", "rules", path)
    assert len(alerts) == 7
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_prometheus_understands_what_the_dashboard_asks_for(tmp_path):
    path = tmp_path / "dashboard.yml"
    rules = [{"record": f"shown:{number}", "expr": expr} for number, expr in enumerate(shown_by_the_dashboard())]
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # which is YAML, too
    finished = promtool("check", "rules", path)
    assert f"SUCCESS: {len(rules)} rules found" in finished.stdout, finished.stdout + finished.stderr


def test_prometheus_takes_the_figures(web, desk):
    Reader(desk).submit("M00001")
    finished = promtool("check", "metrics", input=get(web, "/metrics")[1])
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_a_key_for_those_who_watch_is_refused_where_it_is_of_no_use(invoke, tmp_path):
    (tmp_path / "key").write_text("short\n")
    for arguments, words in (
        ((), "--watch-key-file needs --http"),
        (("--http",), "A key needs 16 bytes at least: make one with 'openssl rand -hex 32'"),
        (("--http", "--log-file", "key"), "key is a key or a certificate: choose another name"),
    ):
        finished = invoke("serve", "--demo", "--watch-key-file", "key", *arguments)
        assert (finished.returncode, finished.stderr) == (1, f"Error: {words}\n")
