"""Dense vectors of model cards, made by the engine that would serve the embedding model.

The engine runs in its own process while needed; it needs no gateway or worker.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from modelyard.registry.cards.card import Embedder
from modelyard.registry.cards.embedder import chosen_embedder
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.registry.store import Store
from modelyard.serving.engines.child.child import EngineChild, open_child, settings_for
from modelyard.serving.engines.folder import hold_model

LONGEST = 512
"""A card's vector covers its first tokens, at most this many; they say what it is about."""

_MOST_CHARACTERS = 16_000


@dataclass(frozen=True, slots=True)
class VersionEmbedder:
    """A registered version as an `Embedder` of cards; the version's id identifies its vectors."""

    version: ModelVersion
    engine: EngineChild

    @property
    def name(self) -> str:
        return self.version.id

    def embed(self, text: str) -> Sequence[float]:
        """The text's vector; raises EngineFailed."""
        body = {"input": [text[:_MOST_CHARACTERS]], "truncate": True}
        return self.engine.ask("/v1/embeddings", body)["data"][0]["embedding"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """An embedder, or the `problem` that prevents one; both are empty if none is configured."""

    embedder: Embedder | None = None
    problem: str = ""


@contextmanager
def open_meaning(catalog: Catalog, store: Store, setting: str) -> Generator[Meaning]:
    """The embedder that the setting `card_embedder` names; a failure is returned, not raised."""
    with ExitStack() as held:
        yield _opened(held, catalog, store, setting)


def _opened(held: ExitStack, catalog: Catalog, store: Store, setting: str) -> Meaning:
    try:
        version = chosen_embedder(catalog, setting)
        if version is None:
            return Meaning()
        return Meaning(VersionEmbedder(version, held.enter_context(_engine_of(store, version))))
    except ModelyardError as error:
        return Meaning(problem=str(error))


@contextmanager
def _engine_of(store: Store, version: ModelVersion) -> Generator[EngineChild]:
    facts = version.facts
    with hold_model(store, facts.format, version.files) as path:
        config = settings_for(
            path,
            facts.format,
            name=version.ref,
            context_length=min(LONGEST, facts.context_length or LONGEST),
            options=facts.details.get("engine_options"),
        )
        with open_child(config) as engine:
            yield engine
