"""Passwords, kept as argon2id hashes."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from modelyard.registry.errors import InvalidPassword

SHORTEST = 10
LONGEST = 256
_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106's low-memory profile


def hash_password(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidPassword(
            f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.",
            fix="Choose a longer one; a few words are easy to keep.",
        )
    return _HASHER.hash(_bytes(password))


def matches(password: str, stored: str | None) -> bool:
    """Whether the password matches; takes equally long if `stored` is None."""
    try:
        return _HASHER.verify(stored or _nobodys(), _bytes(password)) and stored is not None
    except VerificationError:
        return False


def _bytes(password: str) -> bytes:
    return password[: LONGEST + 1].encode(errors="surrogatepass")


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody's password")
