"""A private authority and what it signs, for a firm that has no other."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from metermt.errors import SettingError
from metermt.files.whole import whole_file

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca-key.pem"
SERVER, SERVER_KEY = "server.pem", "server-key.pem"

_AUTHORITY_DAYS = 3650
_DAYS = 825  # the longest that all common TLS libraries accept from a private authority


@dataclass(frozen=True, slots=True)
class Dated:
    """When a certificate ends, and for which names and addresses it is."""

    until: datetime
    hosts: list[str]


def dated(path: Path) -> Dated:
    """Return what a certificate (PEM) says of itself. Raises `SettingError`."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise SettingError(f"The certificate {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingError(f"{path} is no certificate") from error
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Dated(certificate.not_valid_after_utc, [])
    return Dated(certificate.not_valid_after_utc, [str(name.value) for name in names])


class Authority:
    """A private authority in a folder: `ca.pem`, which clients need, and `ca-key.pem`, which must stay there.

    Keys are EC P-256, files with keys have mode 0600.
    """

    def __init__(self, folder: Path) -> None:
        """Open the authority, or make one if there is none. Raises `SettingError`."""
        self.folder = folder
        self.path = folder / AUTHORITY
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():
                self._make()
            self._certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
            key = serialization.load_pem_private_key((folder / AUTHORITY_KEY).read_bytes(), password=None)
        except OSError as error:
            raise SettingError(f"Cannot use the folder {folder}: {error.strerror} ({error.filename})") from error
        except ValueError as error:
            raise SettingError(
                f"{self.path} or its key is damaged: choose another --folder, or restore them"
            ) from error
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def certify_server(self, hosts: list[str], service: str) -> tuple[Path, Path]:
        """Make key and certificate for a server that is reached under these names and addresses.

        It is good for the service name too, so that it can be found through a registry. Raises `SettingError`.
        """
        names = [_general_name(host) for host in [*hosts, service]]
        builder = self._builder(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = builder.public_key(key.public_key()).sign(self._key, hashes.SHA256())
        _write(self.folder / SERVER_KEY, _pem_of_key(key), mode=0o600)
        _write(self.folder / SERVER, _pem(certificate), mode=0o644)
        return self.folder / SERVER, self.folder / SERVER_KEY

    def certify_client(self, username: str) -> Path:
        """Make a file with key and certificate for a user, who can log in with it by this name only."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(username, ExtendedKeyUsageOID.CLIENT_AUTH).public_key(key.public_key())
        path = self.folder / f"client-{username}.pem"
        _write(path, _pem_of_key(key) + _pem(builder.sign(self._key, hashes.SHA256())), mode=0o600)
        return path

    def _builder(self, name: str, usage: x509.ObjectIdentifier) -> x509.CertificateBuilder:
        return (
            _dated(_DAYS)
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MeterMT private authority")])
        certificate = (
            _dated(_AUTHORITY_DAYS)
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_MAY_SIGN, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self.folder / AUTHORITY_KEY, _pem_of_key(key), mode=0o600)
        _write(self.path, _pem(certificate), mode=0o644)


_MAY_SIGN = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _dated(days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for clients whose clocks are a little late
        .not_valid_after(now + timedelta(days=days))
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise SettingError(f"Invalid host {host!r}: use a name in ASCII, or an address") from error


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    with whole_file(path, mode) as file:
        file.write(content.decode("ascii"))
