"""Cards searched by their words and, where an embedding model is registered, by their meaning."""

from contextlib import AbstractContextManager

from rich.markup import escape

from modelyard.registry.cards.card import Hit
from modelyard.registry.console import err
from modelyard.registry.installation import open_store
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.context import InstallationContext, installation
from modelyard.serving.engines.card_embedder import Meaning, open_meaning
from modelyard.serving.errors import EngineFailed


def find_cards(text: str, limit: int) -> list[Hit]:
    """The best first; says on standard error where meaning had to be left out."""
    with installation() as registry, _meaning(registry) as meaning:
        # A card may be there before its version is, and after it: so many more are looked for.
        unseen = len(registry.catalog.pending())
        hits, problem = _search(registry.settings, meaning, text, limit + unseen)
        seen = {version.id for version in registry.catalog.list()}
    if problem:
        err.print(f"[yellow]Searched by words alone.[/yellow] {escape(problem)}", highlight=False)
    return [hit for hit in hits if hit.version_id in seen][:limit]


def _meaning(registry: InstallationContext) -> AbstractContextManager[Meaning]:
    settings = registry.settings
    return open_meaning(registry.catalog, open_store(settings), settings.card_embedder)


def _search(
    settings: RegistrySettings, meaning: Meaning, text: str, limit: int
) -> tuple[list[Hit], str]:
    """What was found, and why not by meaning, if so."""
    from modelyard.registry.cards.index import open_index

    try:
        return open_index(settings, meaning.embedder).search(text, limit), meaning.problem
    except EngineFailed as error:
        return open_index(settings).search(text, limit), str(error)
