"""A peer that writes TLS 1.3 by hand, after an honest handshake: what no library would send."""

import socket
import ssl
from contextlib import suppress

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from peers import Stranger

_CIPHERS = {  # by name: what seals a record, bytes of its key, and the hash of the secrets (RFC 8446, B.4)
    "TLS_AES_128_GCM_SHA256": (AESGCM, 16, hashes.SHA256()),
    "TLS_AES_256_GCM_SHA384": (AESGCM, 32, hashes.SHA384()),
    "TLS_CHACHA20_POLY1305_SHA256": (ChaCha20Poly1305, 32, hashes.SHA256()),
}
_HANDSHAKE, _TEXT = b"\x16", b"\x17"
_KEY_UPDATE = bytes([24, 0, 0, 1, 1])  # "these are my last words under this key; change yours, too" (RFC 8446, 4.6.3)


class TlsStranger(Stranger):
    """A stranger whose records are written by hand, and who may take little of what is sent."""

    def __init__(self, port, authority, folder, address=""):
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(folder / "secrets")
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(15)
        if address:
            sock.bind((address, 0))
        sock.connect(("localhost", port))
        self._encrypted = context.wrap_socket(sock, server_hostname="localhost")
        self._seal, self._length, self._hash = _CIPHERS[self._encrypted.cipher()[0]]
        secrets = dict(line.split()[::2] for line in (folder / "secrets").read_text().splitlines() if line[0] != "#")
        self._use(bytes.fromhex(secrets["CLIENT_TRAFFIC_SECRET_0"]))
        super().__init__(port, sock=self)

    # --- as a socket

    def sendall(self, content):
        self.send_raw(self.record(content))

    def recv(self, count):
        return self._encrypted.recv(count)

    def fileno(self):
        return self._encrypted.fileno()

    # --- by hand

    def send_raw(self, content):
        socket.socket.sendall(self._encrypted, content)

    def record(self, content, kind=_TEXT):
        """Return the next record."""
        sealed = content + kind
        head = b"\x17\x03\x03" + (len(sealed) + 16).to_bytes(2)
        nonce = bytes(a ^ b for a, b in zip(self._iv, self._count.to_bytes(12), strict=True))
        self._count += 1
        return head + self._key.encrypt(nonce, sealed, head)

    def change_keys(self, times):
        """Ask for other keys so many times, or until nothing more is taken."""
        socket.socket.settimeout(self._encrypted, 0.2)
        with suppress(TimeoutError, ConnectionError):
            for _ in range(times):
                self.send_raw(self.record(_KEY_UPDATE, _HANDSHAKE))
                self._use(self._expanded(self._secret, "traffic upd", self._hash.digest_size))
        self._encrypted.settimeout(15)

    def close(self):
        self._encrypted.close()

    def _use(self, secret):
        self._secret, self._count = secret, 0
        self._key = self._seal(self._expanded(secret, "key", self._length))
        self._iv = self._expanded(secret, "iv", 12)

    def _expanded(self, secret, label, length):
        label = b"tls13 " + label.encode()
        told = length.to_bytes(2) + bytes([len(label)]) + label + b"\x00"
        return HKDFExpand(self._hash, length, told).derive(secret)
