"""Cards whose dense vectors are missing or another embedder's are embedded anew, a few at a time.

Each card is whole or as it was: a run that is stopped leaves the rest to the next.
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
"""Cards that are written together: so many are lost where a run is stopped."""


@dataclass(frozen=True, slots=True)
class Recarder:
    """Brings the index up to date with the embedder that the settings mean.

    It writes `at_once` cards together.
    """

    settings: RegistrySettings
    catalog: Catalog
    store: Store
    at_once: int = AT_ONCE

    def stale(self, versions: list[ModelVersion]) -> list[ModelVersion]:
        """Those of the versions whose cards are not as the settings want them.

        Raises IndexUnavailable, UnknownModel or SettingsInvalid.
        """
        embedder = chosen_embedder(self.catalog, self.settings.card_embedder)
        index = open_index(self.settings)
        name = embedder.id if embedder else None
        old = index.stale([version.id for version in versions], name)
        return [version for version in versions if version.id in old]

    def is_behind(self, versions: list[ModelVersion]) -> bool:
        """Whether there is anything to renew; where that cannot be told there is nothing."""
        try:
            return bool(self.stale(versions))
        except ModelyardError:
            return False

    def renew(self, told: Told) -> str:
        """Embed what is stale; `told` hears how many cards are done, of how many.

        Returns why cards are found by their words alone, where an embedder is wanted and fails.
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
        """The card as it was put in, with what the index alone knows: the Hub's tags."""
        text = card_text(self.store, version)
        return Card.of(version, text, kept.get("tags") or (), kept.get("pipeline_tag"))

    def _known(self) -> list[ModelVersion]:
        """Versions whose card is here to be read."""
        readmes = ((version, readme_of(version)) for version in self.catalog.list())
        return [v for v, readme in readmes if readme is None or self.store.has(readme.sha256)]
