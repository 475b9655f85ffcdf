"""A body is bounded before it is read, and must be one JSON object."""

import pytest

from modelyard.serving.errors import InvalidRequest, RequestTooLarge
from modelyard.serving.wire.openai.body import MAX_BODY_BYTES, read_object


def test_a_body_over_the_bound_is_too_large() -> None:
    """The bound is checked on bytes, before parsing."""
    with pytest.raises(RequestTooLarge, match=str(MAX_BODY_BYTES)):
        read_object(b" " * (MAX_BODY_BYTES + 1))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a": NaN}', b'{"a": 1} {"b": 2}',
        b'{"a":' + b"[" * 100_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_one_bounded_object_is_invalid(body: bytes) -> None:
    """Broken, deep or other JSON is a 400, never a crash."""
    with pytest.raises(InvalidRequest, match="The body"):
        read_object(body)
