"""A payload as the body of the route that it is for, checked as its engine would check it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.registry.catalog.model import Kind, ModelVersion
from modelyard.registry.jobs.job import JobType
from modelyard.serving.errors import InvalidRequest, UnsupportedEndpoint
from modelyard.serving.wire.openai.body import WireModel, check_size, read_request, shown
from modelyard.serving.wire.openai.chat.chat import ChatRequest
from modelyard.serving.wire.openai.completion import CompletionRequest
from modelyard.serving.wire.openai.encoders.classify import ClassifyRequest
from modelyard.serving.wire.openai.encoders.embeddings import EmbeddingsRequest
from modelyard.serving.wire.openai.encoders.rerank import RerankRequest

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
SHAPES: Mapping[str, type[WireModel]] = {
    CHAT: ChatRequest,
    COMPLETIONS: CompletionRequest,
    "/v1/embeddings": EmbeddingsRequest,
    "/v1/rerank": RerankRequest,
    "/v1/classify": ClassifyRequest,
}
"""The routes that jobs may be for, with the shape of their bodies."""

_READING = {
    JobType.EMBEDDING: "/v1/embeddings",
    JobType.RERANK: "/v1/rerank",
    JobType.CLASSIFY: "/v1/classify",
}
_KINDS = {
    CHAT: (Kind.GENERATE,),
    COMPLETIONS: (Kind.GENERATE,),
    "/v1/embeddings": (Kind.EMBED,),
    "/v1/rerank": (Kind.RERANK,),
    "/v1/classify": (Kind.CLASSIFY, Kind.TOKEN_CLASSIFY),
}


_TYPES = {path: kind for kind, path in _READING.items()}


@dataclass(frozen=True, slots=True)
class EngineBody:
    """What is sent to `path` once it is the job's turn; `inputs` is how many texts it holds."""

    path: str
    body: bytes
    inputs: int


def type_of(path: str) -> JobType:
    """The type of a body for one of the routes in SHAPES."""
    return _TYPES.get(path, JobType.INFERENCE)


def path_of(kind: JobType, payload: Mapping[str, Any]) -> str:
    """The route for a payload of this type; raises InvalidRequest where it fits none."""
    if kind is not JobType.INFERENCE:
        return _READING[kind]
    given = [name for name in ("messages", "prompt") if name in payload]
    if len(given) != 1:
        raise InvalidRequest(
            "'payload' of an inference must hold either 'messages' or 'prompt'.",
            param="payload",
            fix="'messages' as for POST /v1/chat/completions, 'prompt' as for /v1/completions.",
        )
    return CHAT if given == ["messages"] else COMPLETIONS


def engine_body(kind: JobType, model: str, payload: Mapping[str, Any]) -> EngineBody:
    """Check a payload; raises InvalidRequest, whose message names the field within it."""
    _refuse_stream(payload)
    if payload.get("model", model) != model:
        raise InvalidRequest(
            f"'payload.model' is {shown(payload['model'])}, and 'model_id' another.",
            param="payload.model",
            fix="Leave it away: 'model_id' says which.",
        )
    path = path_of(kind, payload)
    body = json.dumps({**payload, "model": model}, separators=(",", ":")).encode()
    return EngineBody(path, body, checked_body(path, body))


def checked_body(path: str, body: bytes) -> int:
    """How many inputs a body for a route has; raises InvalidRequest with the field at fault."""
    check_size(len(body))
    try:
        asked = read_request(SHAPES[path], body)
    except InvalidRequest as error:
        param = f"payload.{error.param}" if error.param else "payload"
        raise InvalidRequest(f"payload: {error.message}", param=param, fix=error.fix) from None
    return _inputs(asked)


def check_kind(path: str, version: ModelVersion) -> None:
    """Raise UnsupportedEndpoint where models of the version's kind have no such route."""
    kind = version.facts.kind
    if kind not in _KINDS[path]:
        raise UnsupportedEndpoint(
            f"{version.ref} does not serve {path}.",
            param="type",
            fix=f"It serves {kind.endpoint}: choose the type that goes there, or another model.",
        )


def _refuse_stream(payload: Mapping[str, Any]) -> None:
    if payload.get("stream") not in (None, False):
        raise InvalidRequest(
            "'payload.stream' must be left out: the result is kept and read as a whole.",
            param="payload.stream",
            fix="GET /api/v1/requests/{id} tells the progress meanwhile.",
        )


def _inputs(asked: WireModel) -> int:
    match asked:
        case CompletionRequest():
            return len(asked.prompt)
        case EmbeddingsRequest() | ClassifyRequest():
            return len(asked.input)
        case RerankRequest():
            return len(asked.documents)
        case _:
            return 1
