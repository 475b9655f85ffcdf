"""GET /api/v1/models/search: models by what their cards say, in the same words or in others."""

from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.card_hits import CardHits

router = APIRouter(prefix="/api/v1", tags=["models"])

Text = Annotated[
    str,
    Query(
        min_length=1,
        max_length=500,
        description="What the model should be good for.",
        examples=["small model that writes verse"],
    ),
]


@router.get("/models/search")
async def search_cards(
    text: Text,
    services: TheServices,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> CardHits:
    """The versions that the caller may see and whose cards fit best, the best first."""
    found = await services.cards.find(text, limit, caller)
    return CardHits.of(found.hits, found.problem)
