"""A credential is the whole header, and the first one counts."""

import base64

import pytest

from modelyard.registry.web.authorization import basic, bearer, carries

TOKEN = bearer("t" * 32)


def test_the_credential_is_known() -> None:
    """As any of several, beside other headers."""
    headers = [(b"host", b"x"), (b"authorization", TOKEN)]
    assert carries(headers, TOKEN)
    assert carries(headers, bearer("other"), TOKEN)


@pytest.mark.parametrize(
    "given", [b"", b"Bearer", b"Bearer ", TOKEN[:-1], TOKEN + b"t", TOKEN.lower(), b"\xff"]
)
def test_anything_else_is_not(given: bytes) -> None:
    """Neither its beginning nor more than it, nor nothing at all."""
    assert not carries([(b"authorization", given)], TOKEN)
    assert not carries([], TOKEN)
    assert not carries([(b"authorization", given)])


def test_a_login_is_sent_as_prefect_reads_it() -> None:
    """Name and password, encoded as HTTP's Basic has it."""
    assert base64.b64decode(basic("modelyard:pässword").removeprefix(b"Basic ")).decode() == (
        "modelyard:pässword"
    )
