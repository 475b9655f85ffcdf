"""Cards searched in the index here, or at a gateway elsewhere."""

from urllib.parse import urlencode

from rich.markup import escape

from modelyard.registry.console import err
from modelyard.registry.errors import InvalidName
from modelyard.serving.cli.connection import elsewhere
from modelyard.serving.wire.admin.card_hits import CardHit, CardHits


def find_cards(text: str, limit: int) -> list[CardHit]:
    """The best first; says on standard error where meaning had to be left out."""
    if not text.strip():
        raise InvalidName("TEXT is empty.", fix="Say what the model should be good for.")
    if gateway := elsewhere():
        query = urlencode({"text": text, "limit": limit})
        found = CardHits.model_validate(gateway.ask("GET", f"/api/v1/models/search?{query}"))
    else:
        found = _found_here(text, limit)
    if found.problem:
        note = f"[yellow]Searched by words alone.[/yellow] {escape(found.problem)}"
        err.print(note, highlight=False)
    return found.hits


def _found_here(text: str, limit: int) -> CardHits:
    from modelyard.serving.cli.context import installation
    from modelyard.serving.gateway.card_search import CardSearch

    with installation() as registry:
        search = CardSearch(registry.settings, registry.catalog)
        found = search.find(text, limit)
    return CardHits.of(found.hits, found.problem)
