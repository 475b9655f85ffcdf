"""Searches model cards by BM25 and, if there is an embedder, by dense vectors too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from modelyard.registry.cards.card import Between, Card, CardIndex, Embedder, Filters, Hit
from modelyard.registry.cards.points import EMBEDDER, SPARSE, Point, Points, Search, Sparse, Vectors
from modelyard.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from qdrant_edge import Bm25, SparseVector

CARDS = "cards"
"""The embedded shard's folder in the data folder."""


@dataclass(frozen=True, slots=True)
class HybridCardIndex:
    """Cards in a vector store, searched by words and, with an embedder, by dense vectors."""

    points: Points
    embedder: Embedder | None = None

    def upsert(self, *cards: Card) -> None:
        self.points.put([self._point(card) for card in cards])

    def search(self, text: str, limit: int = 10, filters: Filters | None = None) -> list[Hit]:
        words = _sparse(_bm25().embed_query(text))
        if not words.indices:
            return []
        return self._hits(Search(self._with_meaning(text, words), limit, filters or {}))

    def similar(self, version_id: str, limit: int = 10) -> list[Hit]:
        point = self.points.get(version_id)
        if point is None:
            return []
        usable = {SPARSE, self.embedder.name if self.embedder else SPARSE}
        vectors = {name: vector for name, vector in point.vectors.items() if name in usable}
        return self._hits(Search(vectors, limit, not_model=point.payload["model"]))

    def stale(self, version_ids: Sequence[str], embedder: str | None) -> set[str]:
        known = self.payloads(version_ids)
        good = (id_ for id_, p in known.items() if embedder in {None, p.get(EMBEDDER)})
        return set(version_ids).difference(good)

    def payloads(self, version_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return self.points.payloads(version_ids) if version_ids else {}

    def ids(self) -> set[str]:
        return self.points.ids()

    def remove(self, version_id: str) -> None:
        self.points.delete(version_id)

    def _point(self, card: Card) -> Point:
        words = _sparse(_bm25().embed_document(card.document))
        maker = {EMBEDDER: self.embedder.name} if self.embedder else {}
        vectors = self._with_meaning(card.document, words)
        return Point(card.version_id, vectors, {**card.stored, **maker})

    def _with_meaning(self, text: str, words: Sparse) -> Vectors:
        if self.embedder is None:
            return {SPARSE: words}
        return {SPARSE: words, self.embedder.name: self.embedder.embed(text)}

    def _hits(self, search: Search) -> list[Hit]:
        return [Hit.of(payload, score) for payload, score in self.points.search(search)]


def open_index(settings: RegistrySettings, embedder: Embedder | None = None) -> CardIndex:
    """Open the configured Qdrant server, or else an embedded shard in the data folder."""
    if settings.qdrant_url:
        from modelyard.registry.cards.server import ServerPoints

        key = settings.qdrant_api_key.get_secret_value()
        return HybridCardIndex(ServerPoints(settings.qdrant_url, key), embedder)
    from modelyard.registry.cards.shard import ShardPoints

    return HybridCardIndex(ShardPoints(settings.data_dir / CARDS), embedder)


@cache
def _bm25() -> "Bm25":
    """The BM25 encoder; it gives the same vectors on every machine and needs no model."""
    from qdrant_edge import Bm25

    return Bm25()


def _sparse(vector: "SparseVector") -> Sparse:
    return Sparse(vector.indices, vector.values)


__all__ = ["Between", "Card", "CardIndex", "Embedder", "Filters", "Hit", "open_index"]
