"""What an index of cards needs of a vector store, whichever it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard.registry.cards.card import Filters

SPARSE = "bm25"
EMBEDDER = "embedder"  # in a payload: which one made the point's dense vector
CANDIDATES = 50  # how deep each half of a hybrid search looks before the two are fused
RANK_CONSTANT = 60  # of reciprocal rank fusion, as its authors chose it


@dataclass(frozen=True, slots=True)
class Sparse:
    """A vector by its non-zero places."""

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
    """The nearest by each vector, fused by reciprocal rank where there are several."""

    vectors: Vectors
    limit: int
    filters: Filters = field(default_factory=dict[str, Any])
    not_model: str | None = None

    @property
    def depth(self) -> int:
        return max(self.limit, CANDIDATES)


class Points(Protocol):
    """A vector store; it makes what it needs, a new dense vector's place included."""

    def put(self, points: Sequence[Point]) -> None:
        """Write points with vectors of the same names, in place of what was there."""
        ...

    def get(self, point_id: str) -> Point | None: ...

    def payloads(self, point_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The payloads of those that are there, without their vectors."""
        ...

    def delete(self, point_id: str) -> None: ...

    def search(self, search: Search) -> list[tuple[Mapping[str, Any], float]]:
        """Payloads and scores, the best first."""
        ...


def dense(vectors: Vectors) -> dict[str, list[float]]:
    """The dense ones among vectors."""
    return {name: list(v) for name, v in vectors.items() if not isinstance(v, Sparse)}
