"""The HTTP endpoints of engines, by path."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]

ENDPOINTS = {
    "/v1/chat/completions": "a model with a chat template",
    "/v1/completions": "a model that writes text",
    "/v1/embeddings": "an embedding model",
    "/v1/rerank": "a cross-encoder with one label",
    "/v1/classify": "a text or token classification model",
    "/tokenize": "a GGUF model",
    "/detokenize": "a GGUF model",
}
"""Every path an engine may offer, with the kind of model it needs."""
