"""Puts a version's card into the search index."""

import re

from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.registry.cards.card import Card, CardIndex
from modelyard.registry.catalog.model import ModelVersion, StoredFile
from modelyard.registry.catalog.plain_text import plain_text
from modelyard.registry.store import Store

LONGEST = 100_000
"""Characters of a card that are indexed; later text is rarely about the model."""

_FRONT_MATTER = re.compile(r"\A---\s*\n.*?\n---\s*\n", re.DOTALL)


def embed(index: CardIndex, store: Store, version: ModelVersion, snapshot: HubSnapshot) -> None:
    """Index the card, replacing an earlier one of the same version."""
    text = card_text(store, version)
    index.upsert(Card.of(version, text, snapshot.tags, snapshot.pipeline_tag))


def card_text(store: Store, version: ModelVersion) -> str:
    """README.md without its front matter; an empty text if the version has none."""
    readme = readme_of(version)
    if readme is None:
        return ""
    text = store.path(readme.sha256).read_bytes()[: 4 * LONGEST].decode("utf-8", "replace")
    return plain_text(_FRONT_MATTER.sub("", text, count=1), LONGEST)


def readme_of(version: ModelVersion) -> StoredFile | None:
    return next((f for f in version.files if f.path.lower() == "readme.md"), None)
