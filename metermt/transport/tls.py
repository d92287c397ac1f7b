"""TLS on both ends, and words for what can go wrong with it."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

from metermt.errors import DeadlineExceeded, ServerLost, SettingError, TlsError
from metermt.transport.deadline import Deadline
from metermt.transport.encrypted import EncryptedSocket

_WORDS = {
    9: "its certificate is not valid yet: check the clocks",
    10: "its certificate has expired: renew it with 'metermt tls init'",
    18: "its certificate is signed by itself, not by the authority of --tls-ca",
    19: "its certificate comes from another authority than that of --tls-ca",
    20: "its certificate comes from another authority than that of --tls-ca",
    62: "its certificate is for another host",
    64: "its certificate is for another address",
}
"""OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_…, from x509_vfy.h)."""

WANTS_TLS = "The server wants an encrypted link: give --tls-ca with a copy of its ca.pem (in Python tls_ca=)"
"""What is told to a client that does not speak TLS."""

_HANDSHAKE_SECONDS = 12.0  # a server hangs up after ten: what was not answered by then will not be

_HUNG_UP = (
    "hung up before the encrypted link stood: it may be full, or just starting, "
    "or speak no TLS: start it with --tls then, or leave --tls-ca away"
)
"""What is told of a server that does so: one that is full has no other way to say it, and is tried again."""

ALERTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate; give one with --tls-cert",
    "TLSV1_ALERT_UNKNOWN_CA": "your certificate is of an authority that it does not know",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "your certificate has expired",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses your certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses your certificate",
}
"""What a server says of a client's certificate, by OpenSSL's names."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a client trusts and shows. Files are PEM.

    `authority` signed the server's certificate; `certificate`, with its key in the same file, is shown to servers that
    ask for one.
    """

    authority: Path
    certificate: Path | None = None

    def wrap(self, sock: socket, name: str, deadline: Deadline) -> EncryptedSocket:
        """Make sure that the server is who it should be.

        Raises `TlsError`, `ServerLost` if it hangs up or will not answer any more, `DeadlineExceeded` or
        `SettingError`.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies the certificate and the name in it
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load(self.authority, "--tls-ca", lambda: context.load_verify_locations(self.authority))
        if self.certificate:
            chain = self.certificate
            _load(chain, "--tls-cert", lambda: context.load_cert_chain(chain))
        encrypted = EncryptedSocket(sock, context, name)
        try:
            encrypted.shake_hands(Deadline(min(deadline.check(), _HANDSHAKE_SECONDS)))
        except (TimeoutError, DeadlineExceeded):
            if deadline.left:
                raise ServerLost(f"The server {name} has not answered the beginning of an encrypted link") from None
            raise deadline.exceeded() from None
        except ssl.SSLCertVerificationError as error:
            words = _WORDS.get(error.verify_code, f"its certificate is refused: {error.verify_message}")
            raise TlsError(f"The server {name} cannot be trusted: {words}") from error
        except OSError as error:
            if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
                raise TlsError(f"No TLS with the server {name}: {_reason(error)}") from error
            raise ServerLost(f"The server {name} {_HUNG_UP}") from error
        return encrypted


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a server shows and asks for. Files are PEM.

    With `client_authority` every client must show a certificate of that authority, and may log in only by the name
    in it.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return what wraps sockets. Raises `SettingError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.certificate.exists():
            raise SettingError(f"There is no certificate {self.certificate}: make one with 'metermt tls init'")
        _load(self.certificate, "the certificate", lambda: context.load_cert_chain(self.certificate, self.key))
        if self.client_authority:
            authority = self.client_authority
            _load(authority, "--tls-client-ca", lambda: context.load_verify_locations(authority))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def is_handshake_of_plain_text(error: ssl.SSLError) -> bool:
    """Tell whether TLS failed because the peer does not speak it."""
    return error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE")


def common_name(sock: EncryptedSocket) -> str | None:
    """Return the name in the certificate that the peer has shown, empty if it has none; None if it has shown none."""
    return name_in(sock.certificate())


def name_in(shown: Any) -> str | None:
    """Return the name in a certificate as Python's `ssl` tells it, empty if it has none; None for no certificate."""
    if not shown:
        return None
    names = [value for part in shown["subject"] for key, value in part if key == "commonName"]
    return names[0] if names else ""


def _reason(error: ssl.SSLError) -> str:
    if is_handshake_of_plain_text(error):
        return "it does not answer in TLS; start it with --tls, or leave --tls-ca away"
    return ALERTS.get(error.reason or "", f"{error.reason or error}".lower().replace("_", " "))


def _load(path: Path, what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise SettingError(f"{path} is not what {what} needs: a PEM file with the right contents") from error
    except OSError as error:
        raise SettingError(f"Cannot read {path} ({what}): {error.strerror}") from error
