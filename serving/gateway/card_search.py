"""Cards searched by their words and, where an embedding model is registered, by their meaning."""

from dataclasses import dataclass

from modelyard.registry.cards.card import CardIndex, Embedder, Hit
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.errors import NotInstalled, how_to_install
from modelyard.registry.identity.caller import Caller
from modelyard.registry.installation import open_store
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.engines.card_embedder import Meaning, open_meaning
from modelyard.serving.errors import EngineFailed


@dataclass(frozen=True, slots=True)
class FoundCards:
    """What a search found, the best first, and why it was by words alone, if so."""

    hits: list[Hit]
    problem: str


@dataclass(frozen=True, slots=True)
class CardSearch:
    """The cards of one installation."""

    settings: RegistrySettings
    catalog: Catalog

    def find(self, text: str, limit: int, caller: Caller | None = None) -> FoundCards:
        """The cards of versions that the caller may see; of all where it is None."""
        seen = {version.id for version in self.catalog.list(caller)}
        # A card may be there before its version is, and after it, and of what others keep
        # private: so many more are looked for.
        unseen = len(self.catalog.pending()) + len(self.catalog.list()) - len(seen)
        store = open_store(self.settings)
        with open_meaning(self.catalog, store, self.settings.card_embedder) as meaning:
            hits, problem = self._search(meaning, text, limit + unseen)
        return FoundCards([hit for hit in hits if hit.version_id in seen][:limit], problem)

    def _search(self, meaning: Meaning, text: str, limit: int) -> tuple[list[Hit], str]:
        """What was found, and why not by meaning, if so."""
        try:
            return self._index(meaning.embedder).search(text, limit), meaning.problem
        except EngineFailed as error:
            return self._index().search(text, limit), str(error)

    def _index(self, embedder: Embedder | None = None) -> CardIndex:
        try:
            from modelyard.registry.cards.index import open_index

            return open_index(self.settings, embedder)
        except ModuleNotFoundError as error:
            raise NotInstalled(
                f"Searching cards needs {error.name}, which is not installed here.",
                fix=how_to_install("flows"),
            ) from None
