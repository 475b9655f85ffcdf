"""What the OpenAPI document says beyond what the framework finds: own bodies, and every refusal."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from modelyard.serving.api.problems import Problem
from modelyard.serving.wire.admin.batches import BatchSubmission
from modelyard.serving.wire.admin.requests import Submission
from modelyard.serving.wire.errors import ErrorReply

Document = dict[str, Any]

BODIES: tuple[type[BaseModel], ...] = (Submission, BatchSubmission)
"""Bodies that routes read themselves, since they may be long."""

REFUSALS = (400, 401, 403, 404, 405, 409, 413, 429, 503)
"""Statuses of refusals that a route may answer with; not every route has each."""

_REF = "#/components/schemas/{name}"


def body_of(shape: type[BaseModel]) -> Document:
    """A route's `openapi_extra` for a body that it reads itself."""
    content = {"application/json": {"schema": {"$ref": _REF.format(name=shape.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


def completed(document: Document) -> Document:
    """The framework's document with our own bodies, and with the refusals as they are sent."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, found = models_json_schema(
        [(body, "validation") for body in BODIES], ref_template="#/components/schemas/{model}"
    )
    _, refusals = msgspec.json.schema_components((Problem, ErrorReply), ref_template=_REF)
    schemas |= found["$defs"] | refusals
    for path, operation in _operations(document["paths"]):
        responses = operation.setdefault("responses", {})
        responses.pop("422", None)  # an invalid value is answered with 400
        for status in REFUSALS:
            responses.setdefault(str(status), _refusal(path, status))
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _operations(paths: Mapping[str, Document]) -> Iterator[tuple[str, Document]]:
    for path, methods in paths.items():
        yield from ((path, operation) for operation in methods.values())


def _refusal(path: str, status: int) -> Document:
    is_openai = path.startswith("/v1/")
    kind = "application/json" if is_openai else "application/problem+json"
    shape = ErrorReply if is_openai else Problem
    schema = {"$ref": _REF.format(name=shape.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {kind: {"schema": schema}}}
