"""The dense vectors of cards, made by the engine that would serve the embedding model.

An engine process of its own for as long as it is wanted: no gateway or worker has to run.
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
"""Tokens of a card that its vector stands for; its first words say what it is about."""

_MOST_CHARACTERS = 16_000


@dataclass(frozen=True, slots=True)
class VersionEmbedder:
    """A registered version as an `Embedder` of cards; its id names the vectors that it made."""

    version: ModelVersion
    engine: EngineChild

    @property
    def name(self) -> str:
        return self.version.id

    def embed(self, text: str) -> Sequence[float]:
        """Raises EngineFailed."""
        body = {"input": [text[:_MOST_CHARACTERS]], "truncate": True}
        return self.engine.ask("/v1/embeddings", body)["data"][0]["embedding"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """An embedder, or why there is none: `problem` is empty where none is wanted."""

    embedder: Embedder | None = None
    problem: str = ""


@contextmanager
def open_meaning(catalog: Catalog, store: Store, setting: str) -> Generator[Meaning]:
    """The embedder that `card_embedder` means; one that cannot be had is told, not raised."""
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
