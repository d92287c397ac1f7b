"""Files that no command writes over: those of the database, keys and certificates, and what readers have typed."""

import pytest
from commands import assert_refused

from metermt.cli.logsetup import Log

BELONGS = "{file} belongs to the database {database}: choose another name"
IN_OUTBOX = "{file} is in the outbox of this device: choose another place"
IS_KEY = "{file} is a key or a certificate: choose another name"


@pytest.fixture
def places(crew_database, tmp_path):
    """What is to be kept, by name; what is named as new is not there yet."""
    database, tls = crew_database, crew_database.with_name("tls")
    tls.mkdir()
    (tmp_path / "link").symlink_to(database)
    (tmp_path / "copy.pem").hardlink_to(_made(tls / "ca-key.pem"))
    kept = {name: tmp_path / name for name in ("link", "copy.pem", "other.pem", "shared.key")}
    for name in ("other.pem", "shared.key"):
        _made(kept[name])
    return kept | {
        "database": database,
        "log": database.with_name(database.name + "-wal"),
        "key": tls / "ca-key.pem",
        "new key": tls / "server-key.pem",
        "outbox": tmp_path / "metermt" / "outbox" / "row.json",
    }


def _made(path):
    path.write_text("as it was")
    return path


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        *[("--log-file", name, BELONGS) for name in ("database", "link", "log")],
        *[("--log-file", name, IS_KEY) for name in ("key", "new key", "copy.pem", "other.pem", "shared.key")],
        ("--log-file", "outbox", IN_OUTBOX),
        ("--notify", "database", BELONGS),
        ("--notify", "shared.key", IS_KEY),
    ],
)
def test_a_server_neither_logs_nor_notifies_into_what_is_kept(
    invoke, places, crew_database, tmp_path, name, words, option
):
    more = ["--tls-client-ca", str(places["other.pem"]), "--registry-key-file", str(places["shared.key"])]
    before = files_in(tmp_path)

    finished = invoke("serve", option, str(places[name]), *more, XDG_DATA_HOME=str(tmp_path))  # without --tls no good

    assert_refused(finished, words.format(file=places[name], database=crew_database))
    assert files_in(tmp_path) == before


def test_a_log_is_not_rotated_into_the_database(invoke, crew_database, tmp_path):
    numbered = crew_database.rename(tmp_path / "metermt.log.3")

    finished = invoke("serve", "--log-file", "metermt.log", "--tls-client-ca", METERMT_DATABASE=str(numbered))

    assert_refused(finished, f"metermt.log.3 belongs to the database {numbered}: choose another name")
    assert not (tmp_path / "metermt.log").exists()


def test_all_files_that_a_log_is_rotated_into_are_known(tmp_path):
    assert [path.name for path in Log("info", False, tmp_path / "log").files] == [
        *("log", "log.1", "log.2", "log.3", "log.4", "log.5", "log.6", "log.7", "log.8", "log.9")
    ]
    assert Log("info", False, None).files == []


def test_a_registry_does_not_log_into_its_key(invoke, places):
    key = str(places["shared.key"])

    assert_refused(invoke("registry", "--registry-key-file", key, "--log-file", key), IS_KEY.format(file=key))


@pytest.mark.parametrize("command", [("readings", "export", "--force"), ("backup",)], ids=" ".join)
@pytest.mark.parametrize(("name", "words"), [("link", BELONGS), ("key", IS_KEY)])
def test_nothing_is_exported_or_copied_into_what_is_kept(invoke, places, crew_database, tmp_path, command, name, words):
    before = files_in(tmp_path)

    finished = invoke(*command, str(places[name]))

    assert_refused(finished, words.format(file=places[name], database=crew_database))
    assert files_in(tmp_path) == before
