"""POST /v1/rerank: orders documents by relevance to a query, in Jina's and Cohere's format."""

from typing import Annotated, cast

import msgspec
from pydantic import BeforeValidator, Field

from modelyard.serving.wire.openai.encoders.embeddings import (
    MAX_INPUTS,
    EmbeddingsUsage,
    ReadingRequest,
)


def _documents(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(cast("list[object]", value)) <= MAX_INPUTS:
        raise ValueError("not a list of documents")
    return tuple(_document(item) for item in cast("list[object]", value))


def _document(value: object) -> str:
    text = cast("dict[str, object]", value).get("text") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise ValueError("not a document")  # noqa: TRY004  becomes our message
    return text


class RerankRequest(ReadingRequest):
    """A query and the documents to order; a document is a text or {"text": …}."""

    query: str = Field(min_length=1, description="a text that is not empty")
    documents: Annotated[tuple[str, ...], BeforeValidator(_documents)] = Field(
        description=f'a list of 1 to {MAX_INPUTS} texts or {{"text": …}} objects'
    )
    top_n: int | None = Field(default=None, ge=1, description="a whole number from 1")
    return_documents: bool = Field(default=False, description="true or false")


class Document(msgspec.Struct, frozen=True):
    """A document in the reply."""

    text: str


class Ranked(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document's index in the request, and its relevance."""

    index: int
    relevance_score: float
    document: Document | None = None


class RerankReply(msgspec.Struct, frozen=True):
    """The best documents, the most relevant first."""

    id: str
    model: str
    results: list[Ranked]
    usage: EmbeddingsUsage
