"""Chooses the registered model that makes the dense vectors of cards, if there is one."""

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import CHAMPION, Kind, ModelRef, ModelVersion, Visibility
from modelyard.registry.errors import SettingsInvalid

AUTO = "auto"


def chosen_embedder(catalog: Catalog, setting: str) -> ModelVersion | None:
    """The version that `card_embedder` names; None if cards are searched by words alone.

    Raises UnknownModel, or SettingsInvalid if the named version is not an embedding model.
    """
    if not setting:
        return None
    if setting == AUTO:
        return _first(catalog)
    version = catalog.find(ModelRef.parse(setting))
    if version.facts.kind is not Kind.EMBED:
        raise SettingsInvalid(
            f"MODELYARD_CARD_EMBEDDER={setting}: {version.ref} is no embedding model.",
            fix=f"Name one that is, or '{AUTO}', or nothing to search by words alone.",
        )
    return version


def _first(catalog: Catalog) -> ModelVersion | None:
    """The champion of the public embedding model that was registered first."""
    public = [
        version
        for version in catalog.list()
        if version.facts.kind is Kind.EMBED and version.visibility is Visibility.PUBLIC
    ]
    champions = {version.model: version for version in public if CHAMPION in version.aliases}
    led = [version for version in public if version.model in champions]
    oldest = min(led, key=lambda version: version.created_at, default=None)
    return champions[oldest.model] if oldest else None
