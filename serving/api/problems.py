"""Errors as HTTP responses: OpenAI's form under /v1, RFC 9457 problems everywhere else."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import logger
from modelyard.serving.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    RequestEndsEngines,
    RequestTooLarge,
    ServingError,
)
from modelyard.serving.wire.errors import error_bytes, status_of
from modelyard.serving.wire.openai.tokens import TOKEN_PATHS
from modelyard.serving.wire.rate_headers import RateLimitStatus, rate_headers, retry_headers

_BY_STATUS: Mapping[int, type[ServingError]] = {
    400: InvalidRequest,
    404: NotFound,
    405: MethodNotAllowed,
    413: RequestTooLarge,
}

_log = logger("modelyard.gateway")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem; `errors` names each field that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    fix: str = ""
    errors: list[dict[str, str]] = []


def install(app: FastAPI) -> None:
    """Register the handlers, so that this module answers every error of the application."""
    app.add_exception_handler(ModelyardError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _protocol)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(DataError, _not_to_be_kept)
    app.add_exception_handler(Exception, _unexpected)


def refusal(
    path: str, error: ModelyardError, errors: list[dict[str, str]] | None = None
) -> Response:
    """The response to an error at this path."""
    status = status_of(error)
    headers = _headers(status, error)
    if path.startswith("/v1/") or path in TOKEN_PATHS:
        return Response(error_bytes(error), status, headers, "application/json")
    problem = Problem(
        type=f"urn:modelyard:problem:{error.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        code=error.code,
        fix=error.fix,
        errors=errors or [],
    )
    return Response(msgspec.json.encode(problem), status, headers, "application/problem+json")


def _headers(status: int, error: ModelyardError) -> dict[str, str]:
    if isinstance(error, RateLimited):
        room = RateLimitStatus(error.limit, 0, error.reset_s)
        return retry_headers(error.retry_after) | rate_headers(room)
    retry_after: float | None = getattr(error, "retry_after", None)
    if retry_after is not None:
        return retry_headers(retry_after)
    if isinstance(error, RequestEndsEngines):
        return {"x-should-retry": "false"}  # OpenAI's clients obey it
    if status == 413:
        return {"Connection": "close"}  # the rest of the body is not read
    return {"WWW-Authenticate": "Bearer"} if status == 401 else {}


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelyardError)  # noqa: S101 - registered for this class only
    return refusal(request.url.path, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = [_field(e) for e in error.errors()]
    detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
    untyped = any(e["field"] == "body" for e in errors) and not _says_json(request)
    fix = "Send JSON with the header `Content-Type: application/json`." if untyped else ""
    return refusal(request.url.path, InvalidRequest(detail, fix=fix), errors)


def _says_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].endswith("json")


def _field(error: Mapping[str, Any]) -> dict[str, str]:
    where = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    return {"field": ".".join(where) or "body", "message": str(error["msg"])}


async def _protocol(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    kind = _BY_STATUS.get(error.status_code, ServingError)
    response = refusal(request.url.path, kind(f"{request.url.path}: {error.detail}."))
    response.headers.update(error.headers or {})
    return response


async def _database_away(request: Request, _error: Exception) -> Response:
    return refusal(request.url.path, database_away())


def database_away() -> DatabaseUnavailable:
    return DatabaseUnavailable("The database does not answer.", fix="Try again in a moment.")


async def _not_to_be_kept(request: Request, error: Exception) -> Response:
    """Answer a value the database cannot store, such as a NUL in a text for PostgreSQL."""
    _log.warning("a value does not fit into the database", route=request.url.path, exc_info=error)
    return refusal(request.url.path, InvalidRequest("A value is none that can be kept."))


async def _unexpected(request: Request, _error: Exception) -> Response:
    return refusal(request.url.path, unexpected())


def unexpected() -> ServingError:
    return ServingError("Something went wrong on our side; the gateway's log has it.")
