"""The vector store interface that the card index uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard.registry.cards.card import Filters

SPARSE = "bm25"
EMBEDDER = "embedder"  # payload key: the embedder that made the point's dense vector
CANDIDATES = 50  # results of each half of a hybrid search, before the two are fused
RANK_CONSTANT = 60  # k of reciprocal rank fusion, the value its authors chose


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: the indices and values of its non-zero elements."""

    indices: Sequence[int]
    values: Sequence[float]


Vectors = Mapping[str, Sparse | Sequence[float]]


@dataclass(frozen=True, slots=True)
class Point:
    """A stored card: its vectors by name (`SPARSE` always) and its payload."""

    id: str
    vectors: Vectors
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """A nearest-neighbour search; results of several vectors are fused by reciprocal rank."""

    vectors: Vectors
    limit: int
    filters: Filters = field(default_factory=dict[str, Any])
    not_model: str | None = None

    @property
    def depth(self) -> int:
        return max(self.limit, CANDIDATES)


class Points(Protocol):
    """A vector store; it creates what it lacks, including the field of a new dense vector."""

    def put(self, points: Sequence[Point]) -> None:
        """Write the points, which all have the same vector names; replaces existing points."""
        ...

    def get(self, point_id: str) -> Point | None: ...

    def payloads(self, point_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The payloads of the existing points, without vectors."""
        ...

    def ids(self) -> set[str]:
        """The ids of all points."""
        ...

    def delete(self, point_id: str) -> None: ...

    def search(self, search: Search) -> list[tuple[Mapping[str, Any], float]]:
        """Payloads and scores, best first."""
        ...


def dense(vectors: Vectors) -> dict[str, list[float]]:
    """The dense vectors among `vectors`."""
    return {name: list(v) for name, v in vectors.items() if not isinstance(v, Sparse)}
