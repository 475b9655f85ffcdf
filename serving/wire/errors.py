"""OpenAI's error form: what every failure under /v1 looks like to a client."""

import msgspec

from registry.errors import ModelyardError

_DEFAULT = (500, "server_error")
_INVALID = "invalid_request_error"
_KINDS: dict[str, tuple[int, str]] = {
    "invalid_value": (400, _INVALID),
    "unsupported_parameter": (400, _INVALID),
    "unsupported_endpoint": (400, _INVALID),
    "context_length_exceeded": (400, _INVALID),
    "unbroken_text": (400, _INVALID),
    "tokenizing_too_slow": (400, _INVALID),
    "invalid_name": (400, _INVALID),
    "request_too_large": (413, _INVALID),
    "model_not_found": (404, _INVALID),
    "not_found": (404, _INVALID),
    "not_authenticated": (401, "authentication_error"),
    "forbidden": (403, "permission_error"),
    "foreign_origin": (403, "permission_error"),
    "engine_busy": (503, "overloaded_error"),
    "engine_draining": (503, "overloaded_error"),
    "model_unloadable": (503, "server_error"),
    "not_computable": (503, "server_error"),
    "engine_too_slow": (503, "server_error"),
    "file_missing": (503, "server_error"),
    "does_not_fit": (503, "server_error"),
    "device_full": (503, "overloaded_error"),
    "device_failed": (503, "server_error"),
    "engine_crashed": (503, "server_error"),
    "engine_quarantined": (503, "server_error"),
    "engine_unloaded": (503, "server_error"),
    "method_not_allowed": (405, _INVALID),
    "too_many_logins": (429, "rate_limit_error"),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "too_many_concurrent_requests": (429, "rate_limit_error"),
    "insufficient_quota": (429, "insufficient_quota"),
    "user_not_found": (404, _INVALID),
    "no_worker": (503, "server_error"),
    "fleet_busy": (503, "overloaded_error"),
    "engine_unavailable": (503, "server_error"),
    "worker_unreachable": (503, "server_error"),
    "database_unavailable": (503, "server_error"),
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong, which field is at fault, and the stable code."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(msgspec.Struct, frozen=True):
    """The body of an answer that is not 2xx, and the last event of a stream that broke."""

    error: ErrorDetail


def status_of(error: ModelyardError) -> int:
    """The HTTP status an error's code stands for."""
    return _KINDS.get(error.code, _DEFAULT)[0]


def error_reply(error: ModelyardError) -> ErrorReply:
    """An error as OpenAI's clients expect it; the way out is part of the message."""
    kind = _KINDS.get(error.code, _DEFAULT)[1]
    param: str | None = getattr(error, "param", None)
    return ErrorReply(ErrorDetail(str(error), kind, param, error.code))


def error_bytes(error: ModelyardError) -> bytes:
    return msgspec.json.encode(error_reply(error))
