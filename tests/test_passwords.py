"""How passwords are kept."""

import pytest

from metermt.errors import UserError
from metermt.passwords import hash_password, verify_password


def test_a_password_is_kept_as_an_argon2id_hash_that_is_never_the_same():
    first, second = hash_password("secret"), hash_password("secret")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), "a choice of OWASP's"
    assert first != second
    assert verify_password(first, "secret")
    assert not verify_password(first, "Secret")


@pytest.mark.usefixtures("hasher")
def test_a_password_may_be_typed_on_any_keyboard():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert verify_password(hash_password(composed), decomposed)


@pytest.mark.usefixtures("hasher")
def test_a_hash_that_is_none_lets_nobody_in():
    for password_hash in ("", "secret", "$argon2id$", None):
        assert not verify_password(password_hash, "secret")


@pytest.mark.usefixtures("hasher")
def test_a_password_is_neither_empty_nor_endless():
    with pytest.raises(UserError, match="empty"):
        hash_password("")
    with pytest.raises(UserError, match="1025 characters: 1024 are allowed"):
        hash_password("x" * 1025)
    assert verify_password(hash_password("x" * 1024), "x" * 1024)


@pytest.mark.usefixtures("hasher")
def test_a_longer_password_is_not_the_one_it_begins_with():
    assert not verify_password(hash_password("x" * 1024), "x" * 1024 + "y")
