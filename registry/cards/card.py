"""Model cards and search results, independent of the index that stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.catalog.plain_text import plain_line

KEYWORD_FIELDS = (
    "model",
    "repo",
    "licence",
    "tags",
    "pipeline_tag",
    "architecture",
    "quantization",
)
NUMBER_FIELDS = ("parameters", "context_length")
LONGEST_WORD = 200
"""Characters of a licence or a tag, and how many tags there are at most."""

MOST_WORDS = 200
_CARD_FIELDS = ("version_id", "model", "number")


@dataclass(frozen=True, slots=True)
class Card:
    """A version's card: `text` excludes the front matter; search can filter by `payload`."""

    version_id: str
    model: str
    number: int
    text: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(
        cls,
        version: ModelVersion,
        text: str,
        tags: Sequence[str] = (),
        pipeline_tag: str | None = None,
    ) -> "Card":
        """The card of a registered version; `tags` are the Hub's."""
        facts = version.facts
        payload = {
            "repo": version.repo,
            "licence": facts.licence,
            "tags": list(tags),
            "pipeline_tag": pipeline_tag,
            "architecture": facts.architecture,
            "quantization": facts.quantization,
            "parameters": facts.parameters,
            "context_length": facts.context_length,
        }
        return cls(version.id, version.model, version.number, text, payload)

    @property
    def document(self) -> str:
        """The text to search: words from the name and the payload, then the card's text."""
        words = [self.model, *(_words(self.payload.get(name)) for name in KEYWORD_FIELDS)]
        named = " ".join(words).replace("/", " ").replace("-", " ").replace("_", " ")
        return f"{named}\n{self.text}"

    @property
    def stored(self) -> dict[str, Any]:
        """The payload in the form that the index stores."""
        mine = {name: getattr(self, name) for name in _CARD_FIELDS}
        return {**{k: v for k, v in self.payload.items() if v is not None}, **mine}


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result; scores are comparable within one search only."""

    version_id: str
    model: str
    number: int
    score: float
    payload: Mapping[str, Any]

    @classmethod
    def of(cls, stored: Mapping[str, Any], score: float) -> "Hit":
        """A hit as the index has it; texts that were stored before they were bounded are now."""
        rest = {name: _plain(value) for name, value in stored.items() if name not in _CARD_FIELDS}
        return cls(stored["version_id"], stored["model"], stored["number"], score, rest)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return plain_line(value, LONGEST_WORD)
    return [_plain(item) for item in value[:MOST_WORDS]] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Between:
    """A numeric range filter with inclusive ends; None leaves an end open."""

    least: float | None = None
    most: float | None = None


Filters = Mapping[str, str | Between]


class Embedder(Protocol):
    """A model that turns text into a dense vector; vectors are comparable if `name` is the same."""

    @property
    def name(self) -> str: ...

    def embed(self, text: str) -> Sequence[float]: ...


class CardIndex(Protocol):
    """An index that finds versions by their cards' text, and versions similar to a given one."""

    def upsert(self, *cards: Card) -> None:
        """Index the cards atomically, replacing earlier cards of the same versions."""
        ...

    def search(self, text: str, limit: int = 10, filters: Filters | None = None) -> list[Hit]:
        """Cards that match the text, best first; an empty list if the text has no words."""
        ...

    def similar(self, version_id: str, limit: int = 10) -> list[Hit]:
        """Similar versions of other models; an empty list if the version has no card."""
        ...

    def stale(self, version_ids: Sequence[str], embedder: str | None) -> set[str]:
        """The versions without a card or, if `embedder` is given, without its vector."""
        ...

    def payloads(self, version_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The stored payloads of the versions' cards; versions without a card are left out."""
        ...

    def ids(self) -> set[str]:
        """The ids of all versions that have a card here."""
        ...

    def remove(self, version_id: str) -> None:
        """Remove a version's card; removing a missing card is not an error."""
        ...


def _words(value: object) -> str:
    if isinstance(value, str):
        return value
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else ""
