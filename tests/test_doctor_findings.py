"""What `metermt doctor` finds on a machine, each with what mends it."""

import json
import os
import socket
import time

import pytest
from commands import damage, note, server
from databases import raw

from metermt.certificates import Authority
from metermt.cli.machine import check_backups
from metermt.diskspace import Space, SpaceWatch
from metermt.registry import RegistryServer
from metermt.store.sqlite.store import SqliteStore


@pytest.fixture
def problems(invoke, crew_database):
    """Let the doctor look at a database that a server has just noted itself in; return what is to be mended."""

    def problems(*options):
        note(crew_database, server())
        finished = invoke("doctor", *options)
        return [line.removeprefix("Problem: ") for line in finished.stderr.splitlines()]

    return problems


@pytest.fixture
def folder(crew_database):
    return crew_database.parent


def test_files_that_others_can_read_are_a_problem(problems, crew_database):
    crew_database.chmod(0o644)

    assert problems() == [f"{crew_database} can be read by others than its owner: chmod 600 {crew_database}"]


def test_a_folder_that_others_can_write_to_is_a_problem(problems, folder):
    folder.chmod(0o777)

    assert problems() == [f"others may replace files in the folder {folder}: chmod go-w {folder}"]


def test_a_disk_that_is_nearly_full_is_a_problem(problems, folder, monkeypatch):
    monkeypatch.setattr("metermt.cli.machine.space_at", lambda path: Space(4 * 10**8, 10**12))

    (problem,) = problems()

    assert problem == (
        f"400 MB are free, 0% of the disk of {folder}: see what takes the room: du -xh {folder} | sort -h"
    )


@pytest.mark.parametrize(
    ("free", "total", "is_short"),
    [
        pytest.param(499_000_000, 2 * 10**9, True, id="a quarter, but less than 500 MB"),
        pytest.param(501_000_000, 2 * 10**9, False, id="more than both"),
        pytest.param(49 * 10**9, 10**12, True, id="49 GB, but less than 5 %"),
        pytest.param(51 * 10**9, 10**12, False, id="a little more than 5 %"),
    ],
)
def test_a_disk_is_nearly_full_below_500_megabytes_or_5_per_cent(free, total, is_short):
    assert Space(free, total).is_short() is is_short


def test_a_damaged_database_is_a_problem_and_is_not_opened(invoke, read_meters):
    damage(read_meters)

    finished = invoke("doctor")

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.startswith(f"Problem: The database {read_meters} is damaged")
    assert finished.stderr.endswith(f": metermt restore BACKUP --database {read_meters}, with the servers stopped\n")


def test_a_certificate_that_ends_soon_is_a_problem(problems, folder, monkeypatch):
    monkeypatch.setattr("metermt.certificates._DAYS", 20)
    authority = Authority(folder / "tls")
    authority.certify_server(["meter.example.org", "10.1.2.3"], "METER")
    authority.certify_client("carol")
    (folder / "tls" / "server-key.pem").chmod(0o640)
    tls = folder / "tls"

    assert problems("--tls-folder", str(tls)) == [
        f"the key {tls}/server-key.pem can be read by others than its owner: chmod 600 {tls}/server-key.pem",
        f"{tls}/client-carol.pem ends in 19 days: metermt tls client carol --folder {tls}",
        f"{tls}/server.pem ends in 19 days: metermt tls init --host meter.example.org --host 10.1.2.3"
        f" --folder {tls}, and restart the server",
    ]


def test_a_backup_that_is_old_is_a_problem(problems, invoke, folder, tmp_path):
    backups = tmp_path / "backups"
    backups.mkdir()
    (backups / "letter.txt").write_text("no backup")
    mend = f"metermt backup {backups}/metermt-$(date +%F).db --verify --database {folder}/metermt.db"

    assert problems("--backups", str(backups)) == [f"There is no backup in {backups}: {mend}"]
    assert problems("--backups", str(folder))[0].startswith(f"There is no backup in {folder}: ")  # but the database
    assert invoke("backup", str(backups / "metermt-1.db")).returncode == 0
    assert problems("--backups", str(backups)) == []
    assert invoke("restore", str(backups / "metermt-1.db")).returncode == 0
    assert problems("--backups", str(folder))[0].startswith(f"There is no backup in {folder}: ")  # but what was there
    os.utime(backups / "metermt-1.db", (time.time() - 30 * 3600,) * 2)
    assert problems("--backups", str(backups)) == [
        f"the newest backup, {backups}/metermt-1.db, was written 30 hours ago: {mend}"
    ]
    assert problems("--backups", str(tmp_path / "disk")) == [
        f"There is no folder {tmp_path / 'disk'}: mkdir {tmp_path / 'disk'}, or mount the disk of the backups"
    ]


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "just now"), (1, "1 minute ago"), (119, "119 minutes ago"), (120, "2 hours ago"), (25 * 60, "25 hours ago")],
)
def test_how_old_a_backup_is_is_told_in_plain_words(crew_database, tmp_path, minutes, words):
    backup = tmp_path / "backups" / "metermt-1.db"
    backup.parent.mkdir()
    with SqliteStore(crew_database) as store:
        store.backup(backup)
    os.utime(backup, (time.time() - minutes * 60 - 10,) * 2)

    found = check_backups(backup.parent, str(crew_database))

    assert found.text == f"the newest backup, {backup}, was written {words}, and is whole: 2 users, 2 jobs, 0 readings"
    assert found.is_well


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def make_it_another_programs(path):
    path.unlink()
    with raw(path, create=True) as connection:
        connection.execute("CREATE TABLE letters (text)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damage, "The database {0} is damaged"),
        (cut, "The database {0} is damaged"),
        (make_it_another_programs, "{0} is not a MeterMT database"),
    ],
)
def test_a_backup_of_no_use_is_a_problem_however_new_it_is(read_meters, tmp_path, spoil, words):
    backup = tmp_path / "backups" / "metermt-1.db"
    backup.parent.mkdir()
    with SqliteStore(read_meters) as store:
        store.backup(backup)
    spoil(backup)

    found = check_backups(backup.parent, str(read_meters))

    assert found.text.startswith(
        f"the newest backup, {backup}, was written just now, and is of no use. {words.format(backup)}"
    )
    assert not found.is_well


def test_a_port_that_something_else_has_is_a_problem(invoke, crew_database):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = invoke("doctor", "-h", "127.0.0.1", "-p", str(port))

    assert finished.stderr == (
        f"Problem: No server runs on this database: metermt serve --database {crew_database}\n"
        f"Problem: something else than a meter server listens at 127.0.0.1:{port}:"
        " stop that, or choose another port: metermt serve --port PORT\n"
    )


def test_a_registry_without_servers_is_a_problem(problems):
    with RegistryServer(port=0) as registry:
        at = f"localhost:{registry.port}"
        assert problems("--registry", at) == [
            f"The registry at {at} knows no server: start one: metermt serve --registry {at}"
        ]
    assert problems("--registry", at)[0].endswith(": start it: metermt registry")


def test_a_clock_that_differs_from_the_databases_is_a_problem(problems, monkeypatch):
    monkeypatch.setattr(SqliteStore, "clock", lambda _store: time.time() + 60)

    assert "the clock of this machine is 60 s behind the database's: timedatectl set-ntp true" in problems()


def test_findings_are_json_for_programs(invoke, crew_database):
    note(crew_database, server())
    well = json.loads(invoke("doctor", "--json").stdout)
    crew_database.chmod(0o644)
    finished = invoke("doctor", "--json")

    assert well["well"] is True
    assert {one["check"] for one in well["findings"]} == {"database", "rights", "disk", "cycles", "users", "clock"}
    assert finished.returncode == 1
    assert finished.stderr == ""
    said = json.loads(finished.stdout)
    assert said["well"] is False
    assert [one for one in said["findings"] if not one["well"]] == [
        {
            "check": "rights",
            "well": False,
            "text": f"{crew_database} can be read by others than its owner",
            "mend": f"chmod 600 {crew_database}",
        }
    ]


def test_a_database_of_no_use_has_a_mend_in_json_too(invoke, crew_database, folder):
    (folder / "letter.txt").write_text("no database")
    for name, words in (("letter.txt", "with another file"), ("none.db", "with the right file and as the user")):
        (found,) = json.loads(invoke("doctor", "--json", "--database", str(folder / name)).stdout)["findings"]
        assert found["mend"].startswith(f"metermt doctor --database FILE, {words}")


def test_when_all_users_are_disabled_one_is_to_be_enabled(invoke, problems):
    for username in ("carol", "eric"):
        assert invoke("users", "disable", username).returncode == 0
    assert problems() == ["Nobody can log in: metermt users enable NAME, or metermt users add NAME --name 'FULL NAME'"]


def test_a_server_logs_once_that_its_disk_gets_full_and_again_when_it_has_recovered():
    free = [4e8, 3e8, 5.2e8, 4.9e8, 6e8, 4e8, 4e8, None, 9e8]

    def space():
        room = free.pop(0)
        if room is None:
            raise OSError
        return Space(int(room), 10**9)

    watch = SpaceWatch(space)

    assert [watch.news() is not None for _ in range(9)] == [True, False, False, False, False, True] + 3 * [False]
