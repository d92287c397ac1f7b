"""Messages that only those who share a key can make: HMAC-SHA256 (RFC 2104)."""

import hmac
from pathlib import Path

from metermt.errors import SettingError

_SHORTEST = 16  # bytes of a key


class SharedKey:
    """A secret that several machines share."""

    def __init__(self, secret: bytes) -> None:
        """Raises `SettingError` if the secret is too short to be one."""
        if len(secret) < _SHORTEST:
            raise SettingError(f"A key needs {_SHORTEST} bytes at least: make one with 'openssl rand -hex 32'")
        self._secret = secret

    @classmethod
    def read(cls, path: Path) -> "SharedKey":
        """Read a key from a file; blanks and line ends around it do not count. Raises `SettingError`."""
        try:
            return cls(path.read_bytes().strip())
        except OSError as error:
            raise SettingError(f"Cannot read the key file {path}: {error.strerror}") from error

    def is_it(self, secret: bytes) -> bool:
        """Tell whether somebody has shown this key itself."""
        return hmac.compare_digest(secret, self._secret)

    @property
    def text(self) -> str:
        """The key itself, to be shown to who knows it."""
        return self._secret.decode("latin-1")

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return hmac.digest(self._secret, message, "sha256")

    def is_good(self, message: bytes, signature: bytes) -> bool:
        """Tell whether a message was signed with this key."""
        return hmac.compare_digest(signature, self.sign(message))
