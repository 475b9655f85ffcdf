"""The HTTP API of encoder models: labels and ranks; translate, delegate, translate back."""

import secrets
import time
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.encoder import Encoder, Labels, Scores, Spans, Task
from modelyard.serving.engines.endpoints import Endpoint
from modelyard.serving.engines.http.connection import read_body, while_connected
from modelyard.serving.engines.http.embedding_api import EmbeddingApi
from modelyard.serving.wire import headers
from modelyard.serving.wire.openai.body import read_request
from modelyard.serving.wire.openai.encoders.classify import (
    Classified,
    ClassifyReply,
    ClassifyRequest,
    Entity,
    Marked,
)
from modelyard.serving.wire.openai.encoders.embeddings import EmbeddingsUsage, Input
from modelyard.serving.wire.openai.encoders.rerank import (
    Document,
    Ranked,
    RerankReply,
    RerankRequest,
)


@dataclass(frozen=True, slots=True)
class EncoderApi:
    """The one endpoint of a loaded version's task."""

    encoder: Encoder
    config: EngineConfig

    def endpoints(self) -> dict[str, Endpoint]:
        match self.encoder.task:
            case Task.EMBED:
                return EmbeddingApi(self.encoder, self.config).endpoints()
            case Task.RERANK:
                return {"/v1/rerank": self.rerank}
            case Task.CLASSIFY | Task.TOKEN_CLASSIFY:
                return {"/v1/classify": self.classify}

    async def rerank(self, request: Request) -> Response:
        asked = read_request(RerankRequest, await read_body(request))
        work = self.encoder.rerank(asked.query, asked.documents, truncate=asked.truncate)
        scores = await while_connected(request, work)
        usage = EmbeddingsUsage.of(scores.tokens)
        return _json(RerankReply(_id("rerank"), self._name(request), _ranks(asked, scores), usage))

    async def classify(self, request: Request) -> Response:
        asked = read_request(ClassifyRequest, await read_body(request))
        reading = self.encoder.classify if self.encoder.task is Task.CLASSIFY else self.encoder.mark
        found = await while_connected(request, reading(asked.input, truncate=asked.truncate))
        data = _classified(found) if isinstance(found, Labels) else _marked(asked.input, found)
        usage = EmbeddingsUsage.of(found.tokens)
        reply = ClassifyReply(_id("classify"), int(time.time()), self._name(request), data, usage)
        return _json(reply)

    def _name(self, request: Request) -> str:
        return request.headers.get(headers.MODEL, self.config.model_name)


def _ranks(asked: RerankRequest, scores: Scores) -> list[Ranked]:
    order = sorted(range(len(scores.rows)), key=lambda index: -scores.rows[index])
    return [
        Ranked(
            index,
            scores.rows[index],
            Document(asked.documents[index]) if asked.return_documents else None,
        )
        for index in order[: asked.top_n]
    ]


def _classified(found: Labels) -> list[Classified]:
    return [
        Classified(index, found.labels[row.index(max(row))], row, len(row))
        for index, row in enumerate(found.rows)
    ]


def _marked(inputs: tuple[Input, ...], found: Spans) -> list[Marked]:
    return [
        Marked(
            index,
            [Entity(s.label, s.score, str(text[s.start : s.end]), s.start, s.end) for s in spans],
            found.classes,
        )
        for index, (text, spans) in enumerate(zip(inputs, found.rows, strict=True))
    ]


def _id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(12)}"


def _json(reply: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(reply), media_type="application/json")
