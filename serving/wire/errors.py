"""OpenAI's error format, used for every failure under /v1."""

from collections.abc import Mapping

import msgspec

from modelyard.registry.errors import ErrorKind, ModelyardError

_INVALID = "invalid_request_error"
HTTP: Mapping[ErrorKind, tuple[int, str]] = {
    ErrorKind.INVALID: (400, _INVALID),
    ErrorKind.NOT_AUTHENTICATED: (401, "authentication_error"),
    ErrorKind.FORBIDDEN: (403, "permission_error"),
    ErrorKind.NOT_FOUND: (404, _INVALID),
    ErrorKind.METHOD_NOT_ALLOWED: (405, _INVALID),
    ErrorKind.CONFLICT: (409, _INVALID),
    ErrorKind.TOO_LARGE: (413, _INVALID),
    ErrorKind.UNPROCESSABLE: (422, _INVALID),
    ErrorKind.RATE_LIMITED: (429, "rate_limit_error"),
    ErrorKind.QUOTA_EXCEEDED: (429, "insufficient_quota"),
    ErrorKind.OVERLOADED: (503, "overloaded_error"),
    ErrorKind.UNAVAILABLE: (503, "server_error"),
    ErrorKind.BAD_ANSWER: (502, "server_error"),
    ErrorKind.INTERNAL: (500, "server_error"),
}
"""HTTP status and OpenAI's error type by error kind."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong, which field is at fault, and the stable code."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(msgspec.Struct, frozen=True):
    """The body of a response that is not 2xx, and the last event of a stream that failed."""

    error: ErrorDetail


def status_of(error: ModelyardError) -> int:
    """The HTTP status of an error's kind."""
    return HTTP[error.kind][0]


def error_reply(error: ModelyardError) -> ErrorReply:
    """An error as OpenAI's clients expect it; the message includes the suggested fix."""
    param: str | None = getattr(error, "param", None)
    return ErrorReply(ErrorDetail(str(error), HTTP[error.kind][1], param, error.code))


def error_bytes(error: ModelyardError) -> bytes:
    return msgspec.json.encode(error_reply(error))
