"""Passwords, kept only as argon2id hashes."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from metermt.errors import UserError

MAX_LENGTH = 1024
"""Characters. Longer ones would only cost time to hash."""
SHORT = 8
"""Characters. A shorter password is easily guessed (NIST SP 800-63B, 5.1.1)."""

# OWASP's choice of argon2id for servers, 2 passes over 19 MiB by one thread: a crew of 200 is let in within seconds.
# The second choice of RFC 9106, 3 passes over 64 MiB, takes five times as long, and as much from whoever is let in as
# from whoever sends a few bytes.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_quick_hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the least that argon2 takes


def hash_password(password: str) -> str:
    """Return an argon2id hash of a new password. Raises `UserError` if it is empty or too long."""
    if not password:
        raise UserError("The password is empty: choose one")
    if len(password) > MAX_LENGTH:
        raise UserError(f"The password has {len(password)} characters: {MAX_LENGTH} are allowed")
    return _hasher.hash(_encoded(password))


def warning_of(password: str) -> str | None:
    """Return what to say to whoever chooses this password, None if it is long enough. Short ones are not refused."""
    return f"a password of less than {SHORT} characters is easily guessed" if len(password) < SHORT else None


def hash_known_password(password: str) -> str:
    """Return a hash of a password that is no secret: to hash it and to log in with it costs next to nothing."""
    return _quick_hasher.hash(_encoded(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Tell whether this is the password that was hashed.

    Right, wrong, or compared with None because there is no such user: the time is the same, some 30 ms.
    """
    encoded = _encoded(password[:MAX_LENGTH])
    if password_hash is None or len(password) > MAX_LENGTH:
        _hasher.hash(encoded)
        return False
    try:
        return _hasher.verify(password_hash, encoded)
    except (VerificationError, InvalidHashError):
        return False


def _encoded(password: str) -> bytes:
    # One keyboard sends é as one character, another as two: NFKC makes them one password.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
