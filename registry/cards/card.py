"""Model cards as the index takes them and gives them back, whatever index it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard.registry.catalog.model import ModelVersion

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
_CARD_FIELDS = ("version_id", "model", "number")


@dataclass(frozen=True, slots=True)
class Card:
    """A version's card: `text` without front matter, `payload` what can be filtered by."""

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
        """The card of a registered version; tags are the Hub's."""
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
        """What is searched: the words of the name and the payload, then the text."""
        words = [self.model, *(_words(self.payload.get(name)) for name in KEYWORD_FIELDS)]
        named = " ".join(words).replace("/", " ").replace("-", " ").replace("_", " ")
        return f"{named}\n{self.text}"

    @property
    def stored(self) -> dict[str, Any]:
        """The payload as an index keeps it."""
        mine = {name: getattr(self, name) for name in _CARD_FIELDS}
        return {**{k: v for k, v in self.payload.items() if v is not None}, **mine}


@dataclass(frozen=True, slots=True)
class Hit:
    """A card that was found; scores compare within one search only."""

    version_id: str
    model: str
    number: int
    score: float
    payload: Mapping[str, Any]

    @classmethod
    def of(cls, stored: Mapping[str, Any], score: float) -> "Hit":
        rest = {name: value for name, value in stored.items() if name not in _CARD_FIELDS}
        return cls(stored["version_id"], stored["model"], stored["number"], score, rest)


@dataclass(frozen=True, slots=True)
class Between:
    """A filter on a number, both ends included, None for an open one."""

    least: float | None = None
    most: float | None = None


Filters = Mapping[str, str | Between]


class Embedder(Protocol):
    """A model that turns text into a dense vector; those of one `name` can be compared."""

    @property
    def name(self) -> str: ...

    def embed(self, text: str) -> Sequence[float]: ...


class CardIndex(Protocol):
    """Find versions by what their cards say, and versions similar to one."""

    def upsert(self, *cards: Card) -> None:
        """Index versions' cards, in place of what they had, all of them or none."""
        ...

    def search(self, text: str, limit: int = 10, filters: Filters | None = None) -> list[Hit]:
        """The best first; nothing for a text without words."""
        ...

    def similar(self, version_id: str, limit: int = 10) -> list[Hit]:
        """Versions of other models; nothing for a version without a card."""
        ...

    def stale(self, version_ids: Sequence[str], embedder: str | None) -> set[str]:
        """Those that have no card, or one without a vector of the embedder of that name."""
        ...

    def payloads(self, version_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What is kept of versions' cards beside their vectors; nothing for those without."""
        ...

    def remove(self, version_id: str) -> None:
        """Forget a version's card; one that is gone is no error."""
        ...


def _words(value: object) -> str:
    if isinstance(value, str):
        return value
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else ""
