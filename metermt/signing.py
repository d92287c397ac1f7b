"""Messages that only those who share a key can make: HMAC-SHA256 over a time stamp and the message (RFC 2104)."""

import hmac
from pathlib import Path

from metermt.errors import SettingError

MAX_AGE = 60.0
"""Seconds that the clocks of two machines may differ, and for which a signed message is good."""

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

    def sign(self, message: bytes, now: float) -> tuple[int, bytes]:
        """Return the time stamp, in whole seconds since 1970, and the signature of a message."""
        stamp = int(now)
        return stamp, self._signature(message, stamp)

    def is_good(self, message: bytes, stamp: int, signature: bytes, now: float) -> bool:
        """Tell whether a message was signed with this key, and not too long ago."""
        return abs(int(now) - stamp) <= MAX_AGE and hmac.compare_digest(signature, self._signature(message, stamp))

    def _signature(self, message: bytes, stamp: int) -> bytes:
        return hmac.digest(self._secret, b"%d:" % stamp + message, "sha256")
