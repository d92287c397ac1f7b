"""Which server clients use: options, variables of the environment, and two small files."""

import re
from types import SimpleNamespace

import pytest

from metermt.client import settings
from metermt.client.settings import from_environment, from_file, joined
from metermt.errors import SettingError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The file of the user and the one of the machine."""
    user, site = tmp_path / "user" / "client.toml", tmp_path / "site" / "client.toml"
    monkeypatch.setattr("metermt.cli.target.settings_files", lambda: [user, site])
    for file in (user, site):
        file.parent.mkdir()
    return SimpleNamespace(user=user, site=site)


@pytest.fixture
def reached(invoke, monkeypatch):
    """Return what `metermt ping` connects to."""

    def reached(*options, **variables):
        calls = []

        class Client:
            host, port = "there", 1

            def __init__(self, *address, **ways):
                calls.append((address, {name: value for name, value in ways.items() if value}))

            def __enter__(self):
                return self

            def __exit__(self, *_exc):
                pass

            def ping(self):
                return 0.0

        monkeypatch.setattr("metermt.cli.target.connect", Client)
        finished = invoke("ping", *options, **variables)
        return calls[0] if calls else finished.stderr

    return reached


def test_an_option_is_stronger_than_a_variable_and_that_than_the_files(reached, files):
    assert reached() == (("localhost", 11003), {})

    files.site.write_text('host = "site.example.org"\nport = 1\ntls-ca = "ca.pem"\n')
    ca = files.site.with_name("ca.pem")
    assert reached() == (("site.example.org", 1), {"tls_ca": ca})
    files.user.write_text('host = "user.example.org"\n')
    assert reached() == (("user.example.org", 1), {"tls_ca": ca})
    assert reached(METERMT_HOST="variable.example.org") == (("variable.example.org", 1), {"tls_ca": ca})
    assert reached("-h", "typed", METERMT_HOST="variable", METERMT_PORT="2") == (("typed", 2), {"tls_ca": ca})


def test_another_way_to_a_server_replaces_all_that_weaker_sources_say_of_theirs(reached, files):
    files.user.write_text('service = "NORTH"\nregistry = "10.0.0.1"\n')

    assert reached() == ((), {"service": "NORTH", "registry": "10.0.0.1"})
    assert reached("-h", "here") == (("here", 11003), {})
    assert reached("--registry", "10.0.0.2") == ((), {"service": "NORTH", "registry": "10.0.0.2"})
    assert reached("--server", "a,b") == ((), {"servers": ("a,b",)})
    assert reached(METERMT_SERVER="a,b") == ((), {"servers": "a,b"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('hosts = "x"', " has an unknown setting 'hosts': use host, port, server, service, registry, http, tls-ca"),
        ('port = "11003"', ": port is '11003', and must be a number from 1 to 65535"),
        ("port = 70000", ": port is 70000, and must be a number from 1 to 65535"),
        ("host = 1", ": host is 1, and must be a text"),
        ("server = [1]", ": server is [1], and must be a text, or a list of texts"),
        ('http = "localhost"', ": http is 'localhost', and must be a URL, as http://HOST:11002"),
        ("host = x", " is no TOML file: "),
        ('host = "a"\nserver = "b"', ": server says which server: leave host away"),
    ],
)
def test_what_makes_no_sense_in_a_file_is_told_with_file_and_key(reached, files, text, words):
    files.site.write_text(text)

    told = reached()

    assert told.startswith("Error: ")
    assert f"{files.site}{words}" in told


def test_a_variable_that_makes_no_sense_is_told():
    assert from_environment({"METERMT_PORT": "", "METERMT_DATABASE": "x", "METERMT_TLS_CA": "ca.pem"}) == {
        "tls-ca": "ca.pem"
    }
    with pytest.raises(SettingError, match="METERMT_PORT is 'x1', and must be a number from 1 to 65535"):
        from_environment({"METERMT_PORT": "x1"})
    with pytest.raises(SettingError, match="METERMT_HTTP is 'localhost:11002', and must be a URL, as http://HOST"):
        from_environment({"METERMT_HTTP": "localhost:11002"})
    with pytest.raises(SettingError, match="METERMT_SERVER says which server: leave METERMT_HTTP away"):
        from_environment({"METERMT_HTTP": "http://localhost:11002", "METERMT_SERVER": "a,b"})


def test_a_url_in_the_place_of_a_host_is_told_where_to_write_it(reached, files):
    told = "Error: Invalid host 'http://here:11002': where you mean a URL, write --http URL or METERMT_HTTP\n"
    assert reached("-h", "http://here:11002") == told
    assert reached(METERMT_HOST="http://here:11002") == told
    files.user.write_text('host = "http://here:11002"\n')
    assert reached() == told


def test_a_file_that_cannot_be_read_is_told_and_none_is_nothing(tmp_path):
    assert from_file(tmp_path / "none.toml") == {}
    with pytest.raises(SettingError, match="cannot be read"):
        from_file(tmp_path)
    assert joined({}, {}) == {}


def test_a_file_may_begin_with_the_mark_that_some_editors_write(tmp_path):
    file = tmp_path / "client.toml"
    file.write_text('host = "meter.example.org"\n', encoding="utf-8-sig")
    assert from_file(file) == {"host": "meter.example.org"}


def test_files_are_looked_for_where_they_belong(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))

    assert settings.settings_files() == [
        tmp_path / "config" / "metermt" / "client.toml",
        tmp_path / "site" / "metermt" / "client.toml",
    ]


def test_a_command_that_was_nearly_right_is_hinted_at(invoke):
    assert "Error: No such command 'user': did you mean 'users'?" in invoke("user").stderr
    assert "Error: No such command 'ad': did you mean 'add'?" in invoke("users", "ad").stderr
    assert "Error: No such command 'xyzzy'." in invoke("xyzzy").stderr


@pytest.mark.parametrize("command", ["reopen", "close"])
def test_a_command_that_another_group_has_is_hinted_at(invoke, command):
    """`remove` is nearer to `reopen` than any other, and does the contrary."""
    told = invoke("routes", command, "2026-11").stderr
    assert re.search(rf"Error: No such command '{command}': did you mean '\w+ cycles {command}'\?", told)
