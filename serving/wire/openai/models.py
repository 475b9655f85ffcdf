"""GET /v1/models: the models a caller may ask for."""

from typing import Literal

import msgspec


class ModelCard(msgspec.Struct, frozen=True):
    """One name allowed in a request's `model`; `created` is in seconds since 1970.

    `version` is the version number that the name stands for now; `aliases` may follow the name
    after an `@`. An adapter's `parent` is the model that it adapts.
    """

    id: str
    created: int
    owned_by: str
    version: int
    aliases: list[str]
    parent: str | None = None
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct, frozen=True):
    """Every model the caller may see."""

    data: list[ModelCard]
    object: Literal["list"] = "list"
