"""GET /v1/models and /v1/models/{model}: the values allowed in a request's `model`."""

from itertools import groupby

import msgspec
from fastapi import APIRouter, Response

from modelyard.registry.catalog.model import CHAMPION, ModelVersion
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.openai.models import ModelCard, ModelList

router = APIRouter(prefix="/v1", tags=["openai"])


@router.get("/models")
async def list_models(services: TheServices, caller: TheCaller) -> Response:
    """Every model the caller may ask for."""
    versions = await services.queries.versions(caller)
    named = (list(group) for _, group in groupby(versions, key=lambda v: v.model))
    return _json(ModelList([card for group in named for card in _cards(group)]))


@router.get("/models/{model:path}")
async def show_model(model: str, services: TheServices, caller: TheCaller) -> Response:
    """One model, by name, name@alias or name@version."""
    meant = await services.gateway.versions.find((model, caller))
    card = _card([meant.version])
    parent = card.id if meant.adapter_sha256 else None
    return _json(msgspec.structs.replace(card, id=model, parent=parent))


def _cards(versions: list[ModelVersion]) -> list[ModelCard]:
    """A model's card, followed by one for each of its adapters."""
    model = _card(versions)
    adapters = [
        msgspec.structs.replace(
            model, id=f"{model.id}+{a.name}", created=int(a.created_at.timestamp()), parent=model.id
        )
        for a in versions[0].adapters
    ]
    return [model, *adapters]


def _card(versions: list[ModelVersion]) -> ModelCard:
    """The card of one model; its name stands for its champion, else its newest version."""
    meant = next((v for v in versions if CHAMPION in v.aliases), versions[0])
    return ModelCard(
        id=meant.model,
        created=int(meant.created_at.timestamp()),
        owned_by=meant.repo.partition("/")[0],
        version=meant.number,
        aliases=sorted(alias for v in versions for alias in v.aliases),
    )


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
