"""Re-embeds cards whose dense vector is missing or from another embedder, in batches.

Each batch is written atomically; a stopped run leaves the remaining cards to the next run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelyard.flows.steps.publish.embed import card_text, readme_of
from modelyard.registry.cards.card import Card, CardIndex
from modelyard.registry.cards.embedder import chosen_embedder
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.registry.locks import exclusive
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store
from modelyard.serving.engines.card_embedder import open_meaning

Told = Callable[[int, int], None]

AT_ONCE = 16
"""Cards per batch, which is also the most work that a stopped run loses."""


@dataclass(frozen=True, slots=True)
class Recarder:
    """Brings the index up to date with the configured embedder.

    It writes `at_once` cards per batch.
    """

    settings: RegistrySettings
    catalog: Catalog
    store: Store
    at_once: int = AT_ONCE

    def stale(self, versions: list[ModelVersion]) -> list[ModelVersion]:
        """The versions whose cards do not match the settings.

        Raises IndexUnavailable, UnknownModel or SettingsInvalid.
        """
        embedder = chosen_embedder(self.catalog, self.settings.card_embedder)
        index = open_index(self.settings)
        name = embedder.id if embedder else None
        old = index.stale([version.id for version in versions], name)
        return [version for version in versions if version.id in old]

    def is_behind(self, versions: list[ModelVersion]) -> bool:
        """Whether any card must be renewed; False if that cannot be determined."""
        try:
            return bool(self.stale(versions))
        except ModelyardError:
            return False

    def renew(self, told: Told) -> str:
        """Embed stale cards; `told` receives the number of cards done and the total.

        Returns an empty string, or the reason why cards can be searched by words alone.
        """
        folder = self.store.root / "locks"
        folder.mkdir(exist_ok=True)
        try:
            with exclusive(folder / "cards.lock"):
                return self._renew(told)
        except ModelyardError as error:
            return str(error)

    def _renew(self, told: Told) -> str:
        versions = self.stale(self._known())
        if not versions:
            return ""
        with open_meaning(self.catalog, self.store, self.settings.card_embedder) as meaning:
            if not meaning.problem:
                index = open_index(self.settings, meaning.embedder)
                self._embed(index, versions, told)
            return meaning.problem

    def _embed(self, index: CardIndex, versions: list[ModelVersion], told: Told) -> None:
        kept = index.payloads([version.id for version in versions])
        for start in range(0, len(versions), self.at_once):
            some = versions[start : start + self.at_once]
            index.upsert(*(self._card(version, kept.get(version.id, {})) for version in some))
            told(start + len(some), len(versions))

    def _card(self, version: ModelVersion, kept: Any) -> Card:
        """The card as it was first indexed; the Hub's tags are only in the index."""
        text = card_text(self.store, version)
        return Card.of(version, text, kept.get("tags") or (), kept.get("pipeline_tag"))

    def _known(self) -> list[ModelVersion]:
        """Versions whose README is in the store, or that have none."""
        readmes = ((version, readme_of(version)) for version in self.catalog.list())
        return [v for v, readme in readmes if readme is None or self.store.has(readme.sha256)]
