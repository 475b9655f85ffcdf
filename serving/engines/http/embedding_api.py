"""POST /v1/embeddings for any embedding model: translate, delegate, translate back."""

import base64
import sys
from array import array
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.encoder import EmbeddingModel
from modelyard.serving.engines.endpoints import Endpoint
from modelyard.serving.engines.http.connection import read_body, while_connected
from modelyard.serving.wire import headers
from modelyard.serving.wire.openai.body import read_request
from modelyard.serving.wire.openai.encoders.embeddings import (
    Embedding,
    EmbeddingsReply,
    EmbeddingsRequest,
    EmbeddingsUsage,
)


@dataclass(frozen=True, slots=True)
class EmbeddingApi:
    """The endpoint of an embedding model."""

    embedder: EmbeddingModel
    config: EngineConfig

    def endpoints(self) -> dict[str, Endpoint]:
        return {"/v1/embeddings": self.embeddings}

    async def embeddings(self, request: Request) -> Response:
        asked = read_request(EmbeddingsRequest, await read_body(request))
        work = self.embedder.embed(
            asked.input,
            dimensions=asked.dimensions,
            truncate=asked.truncate,
            prompt_name=asked.prompt_name,
        )
        vectors = await while_connected(request, work)
        form = encoded if asked.encoding_format == "base64" else numbers
        data = [Embedding(index, form(row)) for index, row in enumerate(vectors.rows)]
        name = request.headers.get(headers.MODEL, self.config.model_name)
        reply = EmbeddingsReply(data, name, EmbeddingsUsage.of(vectors.tokens))
        return Response(msgspec.json.encode(reply), media_type="application/json")


def numbers(row: bytes) -> list[float]:
    """A vector of little-endian 32-bit floats as numbers."""
    values = array("f", row)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def encoded(row: bytes) -> str:
    return base64.b64encode(row).decode()
