"""An encrypted link: real certificates, real handshakes."""

import socket
import ssl
import stat
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import rpyc
from commands import assert_refused
from conftest import start, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from demometers import shows
from proxy import Proxy

from metermt import certificates, connect
from metermt.certificates import Authority
from metermt.client.reaching import way_to
from metermt.config import Limits
from metermt.discovery import Registry
from metermt.errors import LoginError, ServerLost, ServerUnreachable, SettingError, TlsError
from metermt.registry import RegistryServer
from metermt.rules import seats
from metermt.serving import RunningServer, ServerSettings
from metermt.transport.tls import ServerTls


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.certify_server(["localhost", "127.0.0.1"], "METER")
    return authority


@contextmanager
def tls_server(certificate, key, client_authority=None, **settings):
    tls = ServerTls(certificate, key, client_authority)
    with RunningServer(ServerSettings(port=0, demo=True, tls=tls, **settings)) as server:
        yield server


@pytest.fixture(scope="module")
def server(authority):
    with tls_server(authority.folder / "server.pem", authority.folder / "server-key.pem") as server:
        yield server


@contextmanager
def server_certified_for(folder, *hosts, service="METER"):
    """A server with a certificate of the authority for these hosts, in a folder of its own."""
    own = Authority(folder)
    with tls_server(*own.certify_server(list(hosts), service)) as server:
        yield server, own.path


def test_readings_go_through_an_encrypted_link(server, authority):
    for host in ("localhost", "127.0.0.1"):
        with connect(host, server.port, tls_ca=authority.path) as client:
            assert client.login("carol", "carol") == "Carol Dent"
            job = client.get_job()
            client.submit_reading(job.meter.number, shows(job.meter.number))


def test_the_four_calls_work_from_a_bare_tls_connection_of_rpyc(server, authority):
    connection = rpyc.ssl_connect("localhost", server.port, ca_certs=str(authority.path), cert_reqs=ssl.CERT_REQUIRED)
    try:
        session, full_name = connection.root.login("gwenda", "gwenda")
        meter = connection.root.get_job(session)
        connection.root.submit_reading(session, meter, datetime.now(), shows(meter))
        count, total = connection.root.get_status(session)
        assert (full_name, count) == ("Gwenda Pryce", 1)
        assert total >= 1
    finally:
        connection.close()


def test_requests_sent_all_at_once_by_a_bare_tls_connection_of_rpyc_are_all_answered(authority):
    # RPyC waits at the socket, and does not see what TLS has decrypted already. It takes no answer before it is asked
    # for its value, and all are more than fits into the socket.
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    trusting = {"ca_certs": str(authority.path), "cert_reqs": ssl.CERT_REQUIRED}
    with tls_server(*files) as server, closing(rpyc.ssl_connect("localhost", server.port, **trusting)) as connection:
        session, _ = connection.root.login("adam", "adam")
        get_status, get_jobs = (rpyc.async_(call) for call in (connection.root.get_status, connection.root.get_jobs))
        get_status(session).wait()
        answers = [call for _ in range(40) for call in (get_status(session), get_jobs(session, '{"n": 1000}'))]
        for status, jobs in zip(answers[::2], answers[1::2], strict=True):
            assert status.value[0] == 0
            assert len(jobs.value) > 10_000


def test_a_server_for_another_host_is_refused(tmp_path):
    with server_certified_for(tmp_path, "meter.example.org") as (server, ca):
        with pytest.raises(TlsError, match="localhost cannot be trusted: its certificate is for another host"):
            connect("localhost", server.port, tls_ca=ca)
        with pytest.raises(TlsError, match="its certificate is for another address"):
            connect("127.0.0.1", server.port, tls_ca=ca)


def test_a_server_of_another_authority_is_refused(server, tmp_path):
    with pytest.raises(TlsError, match="another authority than that of --tls-ca"):
        connect("localhost", server.port, tls_ca=Authority(tmp_path).path)


def test_an_expired_server_is_refused(tmp_path, monkeypatch):
    dated = certificates._dated

    def expired(days):
        if days == certificates._AUTHORITY_DAYS:
            return dated(days)
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .serial_number(7)
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now - timedelta(days=1))
        )

    monkeypatch.setattr(certificates, "_dated", expired)
    with (
        server_certified_for(tmp_path, "localhost") as (server, ca),
        pytest.raises(TlsError, match="its certificate has expired: renew it"),
    ):
        connect("localhost", server.port, tls_ca=ca)


def test_a_server_signed_by_itself_is_refused(tmp_path, authority):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        certificates._dated(10)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "own.pem").write_bytes(certificates._pem(certificate))
    (tmp_path / "own-key.pem").write_bytes(certificates._pem_of_key(key))
    with (
        tls_server(tmp_path / "own.pem", tmp_path / "own-key.pem") as server,
        pytest.raises(TlsError, match="its certificate is signed by itself"),
    ):
        connect("localhost", server.port, tls_ca=authority.path)


def test_a_server_that_is_full_is_tried_again_until_there_is_room(authority):
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    with (
        tls_server(*files, limits=Limits(connections=1)) as server,
        Proxy(server.port) as proxy,
        connect("localhost", proxy.port, tls_ca=authority.path) as client,
    ):
        client.login("carol", "carol")
        proxy.cut()
        wait_until(lambda: server._server.connections == 0, "there is room")
        with connect("localhost", server.port, tls_ca=authority.path) as other:
            other.login("adam", "adam")
            asked = start(client.get_job)
            wait_until(lambda: proxy.connections >= 3, "the client was refused and tries again")
            with pytest.raises(ServerLost, match="hung up before the encrypted link stood: it may be full"):
                connect("localhost", server.port, tls_ca=authority.path, timeout=1)
            with pytest.raises(ServerUnreachable, match=r"None of the servers answers; .* it may be full"):
                connect(servers=[f"localhost:{server.port}"], tls_ca=authority.path)
            any_of_them = way_to(None, None, servers=[f"localhost:{server.port}"], tls_ca=authority.path)
            assert any_of_them._is_there(("localhost", server.port))  # so that who is connected with it stays
        assert asked()


def test_a_server_that_is_full_is_tried_again_also_by_who_was_never_connected(authority, monkeypatch):
    monkeypatch.setattr(seats, "_GRACE", 60.0)  # who is there and has not logged in need not make room
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    with tls_server(*files, limits=Limits(connections=1)) as server, Proxy(server.port) as proxy:
        with connect("localhost", server.port, tls_ca=authority.path):
            connected = start(lambda: connect("localhost", proxy.port, tls_ca=authority.path))
            wait_until(lambda: proxy.connections >= 2, "the client was refused and tries again")
        with connected() as client:
            assert client.login("carol", "carol")


def test_plain_text_on_either_side_is_told(server, authority):
    with (
        RunningServer(ServerSettings(port=0, demo=True)) as plain,
        pytest.raises(TlsError, match="does not answer in TLS; start it with --tls"),  # at once: it is not tried again
    ):
        connect("localhost", plain.port, tls_ca=authority.path)
    with socket.create_server(("localhost", 0)) as hasty:
        hung_up = start(lambda: hang_up_on_the_first(hasty))
        with pytest.raises(ServerLost, match="or speak no TLS: start it with --tls"):
            connect("localhost", hasty.getsockname()[1], tls_ca=authority.path, timeout=1)
        hung_up()
    with socket.create_server(("localhost", 0)) as foreign:
        answered = start(lambda: answer_in_plain_text(foreign))
        with pytest.raises(TlsError, match="does not answer in TLS; start it with --tls"):
            connect("localhost", foreign.getsockname()[1], tls_ca=authority.path)
        answered()
    with connect("localhost", server.port) as client, pytest.raises(TlsError, match="give --tls-ca with a copy of its"):
        client.ping()
    bare = rpyc.connect("localhost", server.port)
    with closing(bare), pytest.raises(Exception, match="The server wants an encrypted link"):
        assert bare.root


def test_a_beginning_that_nobody_answers_is_tried_again(server, authority, monkeypatch):
    monkeypatch.setattr("metermt.transport.tls._HANDSHAKE_SECONDS", 0.2)
    with Proxy(server.port) as proxy:
        with proxy.deaf():
            connected = start(lambda: connect("localhost", proxy.port, tls_ca=authority.path))
            wait_until(lambda: proxy.connections >= 2, "it is tried again")
        monkeypatch.setattr("metermt.transport.tls._HANDSHAKE_SECONDS", 12.0)
        with connected() as client:
            assert client.ping()


def hang_up_on_the_first(listener):
    sock, _ = listener.accept()
    sock.close()


def answer_in_plain_text(listener):
    sock, _ = listener.accept()
    with sock:
        assert sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    "command",
    [
        ("console", "-p", "{port}"),
        ("outbox", "send", "-p", "{port}"),
        ("routes", "missing", "--server", "localhost:{port}"),
    ],
    ids=" ".join,
)
def test_who_forgets_tls_is_told_before_a_password_is_asked_for(invoke, server, command):
    told = invoke(*[word.format(port=server.port) for word in command], stdin="carol\ncarol\n")

    words = "The server wants an encrypted link: give --tls-ca with a copy of its ca.pem (in Python tls_ca=)"
    assert_refused(told, words)


def test_nothing_older_than_tls_1_2_is_spoken(server, authority):
    context = ssl.create_default_context(cafile=authority.path)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("localhost", server.port)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as spoken,
    ):
        assert spoken.version() in ("TLSv1.2", "TLSv1.3")
    tls = ServerTls(authority.folder / "server.pem", authority.folder / "server-key.pem")
    assert tls.context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_silent_client_blocks_nobody(server, authority):
    with socket.create_connection(("localhost", server.port)):
        started = time.monotonic()
        with connect("localhost", server.port, tls_ca=authority.path) as client:
            client.ping()
        assert time.monotonic() - started < 8  # of the ten that a handshake may take


def test_a_server_stops_while_a_client_is_silent_in_the_handshake(authority):
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    with tls_server(*files) as server, socket.create_connection(("localhost", server.port)):
        wait_until(lambda: server._server.connections == 1, "it is connected")
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 8  # likewise


def test_a_client_certificate_lets_its_owner_in_and_nobody_else(authority):
    carols = authority.certify_client("carol")
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    with tls_server(*files, client_authority=authority.path) as server:
        with connect("localhost", server.port, tls_ca=authority.path, tls_cert=carols) as client:
            with pytest.raises(LoginError, match="Your certificate is for carol"):
                client.login("adam", "adam")
            assert client.login("carol", "carol") == "Carol Dent"
        with (
            pytest.raises(TlsError, match="it asks for a client certificate"),
            connect("localhost", server.port, tls_ca=authority.path) as client,
        ):
            client.ping()


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        pytest.param("Carol", None, id="with a capital"),
        pytest.param(None, "has no name in it", id="without a name"),
        pytest.param(" ", "has no name in it", id="with a blank for a name"),
    ],
)
def test_the_name_in_a_client_certificate_counts_without_case_and_must_be_there(subject, words, authority, monkeypatch):
    name = x509.Name([] if subject is None else [x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    monkeypatch.setattr(x509, "Name", lambda _attributes: name)
    certificate = authority.certify_client("subject")
    monkeypatch.undo()
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    with (
        tls_server(*files, client_authority=authority.path) as server,
        connect("localhost", server.port, tls_ca=authority.path, tls_cert=certificate) as client,
    ):
        for username in ("carol", "adam"):
            if username == "carol" and not words:
                assert client.login(username, username) == "Carol Dent"
            else:
                with pytest.raises(LoginError, match=words or "Your certificate is for Carol"):
                    client.login(username, username)


def test_a_client_certificate_of_another_authority_is_refused(authority, tmp_path):
    strangers = Authority(tmp_path).certify_client("carol")
    files = authority.folder / "server.pem", authority.folder / "server-key.pem"
    with (
        tls_server(*files, client_authority=authority.path) as server,
        pytest.raises(TlsError, match="of an authority that it does not know"),
        connect("localhost", server.port, tls_ca=authority.path, tls_cert=strangers) as client,
    ):
        client.ping()


def test_a_server_found_by_name_must_prove_the_name(authority, tmp_path):
    with RegistryServer(port=0) as listening:
        registry = Registry(port=listening.port)
        files = authority.folder / "server.pem", authority.folder / "server-key.pem"
        with tls_server(*files) as server:
            registry.register("METER", server.port)
            with connect(service="METER", registry=str(registry), tls_ca=authority.path) as client:
                client.ping()
            registry.unregister(server.port)
            registry.register("NORTH", server.port)
            with pytest.raises(
                TlsError, match="The server NORTH cannot be trusted: its certificate is for another host"
            ):
                connect(service="NORTH", registry=str(registry), tls_ca=authority.path)


def test_beyond_this_machine_a_server_wants_tls_or_to_be_told_otherwise(authority):
    for host in ("0.0.0.0", "::", "*"):
        with pytest.raises(SettingError, match=r"use --tls .* or --plaintext"):
            ServerSettings(host=host)
    ServerSettings(host="0.0.0.0", plaintext=True)
    ServerSettings(host="0.0.0.0", tls=ServerTls(authority.folder / "server.pem", authority.folder / "server-key.pem"))
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"):
        ServerSettings(host=host)


def test_a_server_is_judged_by_the_address_that_it_is_bound_to(monkeypatch):
    settings = ServerSettings(host="localhost", port=0, demo=True)
    find = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: find("0.0.0.0", *more, **named))

    with pytest.raises(SettingError, match=r"Others could listen in on 0\.0\.0\.0"):
        RunningServer(settings)


def test_keys_are_readable_by_their_owner_only_and_a_renewal_keeps_the_authority(tmp_path):
    authority = Authority(tmp_path / "tls")
    authority.certify_server(["localhost"], "METER")
    authority.certify_client("carol")
    before = authority.path.read_bytes()

    Authority(tmp_path / "tls").certify_server(["localhost", "10.1.2.3"], "METER")

    assert authority.path.read_bytes() == before
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert modes == {
        "ca.pem": 0o644,
        "ca-key.pem": 0o600,
        "server.pem": 0o644,
        "server-key.pem": 0o600,
        "client-carol.pem": 0o600,
    }


def test_files_that_are_no_certificates_are_refused(tmp_path, authority):
    (tmp_path / "text").write_text("no certificate")
    for broken in (tmp_path / "text", tmp_path / "none"):
        with pytest.raises(SettingError, match=str(broken)):
            ServerTls(broken, broken).context()
    with RunningServer(ServerSettings(port=0, demo=True)) as server:
        for broken in (tmp_path / "text", tmp_path / "none"):
            with pytest.raises(SettingError, match=str(broken)):
                connect("localhost", server.port, tls_ca=broken)
        with pytest.raises(SettingError, match="needs TLS"):
            connect("localhost", server.port, tls_cert=authority.path)
    with pytest.raises(SettingError, match="Invalid host"):
        authority.certify_server(["m\u00e9ter"], "METER")


def test_certificates_are_looked_for_beside_the_database(servers, metermt, crew_database, tmp_path):
    folder = crew_database.parent / "tls"
    made = metermt("tls", "init", "--host", "localhost"), metermt("tls", "client", "carol")
    assert [finished.returncode for finished in made] == [0, 0]
    assert str(folder / "client-carol.pem") in made[1].stdout

    server = servers.start("--database", crew_database, "--tls", "--tls-client-ca")

    carol = ("--tls-cert", str(folder / "client-carol.pem"))
    ping = ("ping", "-p", str(server.port), "--tls-ca", str(folder / "ca.pem"))
    assert metermt(*ping, *carol).returncode == 0
    assert "it asks for a client certificate" in metermt(*ping).stderr
