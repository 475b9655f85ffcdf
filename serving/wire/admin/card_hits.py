"""GET /api/v1/models/search: versions found by what their cards say."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel

from modelyard.registry.cards.card import Hit


class CardHit(BaseModel):
    """A version that was found; scores are comparable within one answer only."""

    version_id: str
    model: str
    number: int
    score: float
    payload: dict[str, Any]


class CardHits(BaseModel):
    """The best first; `problem` says why it was searched by words alone, if so."""

    hits: list[CardHit]
    problem: str

    @classmethod
    def of(cls, hits: Iterable[Hit], problem: str) -> Self:
        found = [
            CardHit(
                version_id=hit.version_id,
                model=hit.model,
                number=hit.number,
                score=hit.score,
                payload=dict(hit.payload),
            )
            for hit in hits
        ]
        return cls(hits=found, problem=problem)
