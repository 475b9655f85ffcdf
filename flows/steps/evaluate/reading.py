"""Sends texts to one build's engine, and counts texts and tokens."""

import base64
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.flows.errors import GateFailed
from modelyard.flows.steps.evaluate.texts import Triple
from modelyard.serving.engines.child.child import EngineChild

Vector = Sequence[float]

_AT_ONCE = 16


@dataclass(slots=True)
class EncoderUnderTest:
    """An engine and the name of its model; `told` receives the number of texts read."""

    engine: EngineChild
    name: str
    told: Callable[[int], None]
    texts: int = 0
    tokens: int = 0

    def vectors(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text; raises GateFailed if a vector is zero or not finite."""
        found = [vector for part in _parts(texts) for vector in self._vectors(part)]
        for vector in found:
            if not all(map(math.isfinite, vector)) or not any(vector):
                raise GateFailed(
                    f"{self.name} gives vectors that are zero or no numbers.",
                    fix="Its weights are broken; take another file or revision.",
                )
        return found

    def scores(self, known: Triple) -> tuple[float, float]:
        """The scores of the similar and the unlike text for a text."""
        by_index = self.ranked(known.text, [known.similar, known.unlike])
        return by_index[0], by_index[1]

    def ranked(self, query: str, documents: Sequence[str]) -> dict[int, float]:
        """Scores by document index; a null score becomes NaN."""
        body = {"query": query, "documents": [*documents], "truncate": True}
        rows = self._ask("/v1/rerank", body, len(documents))["results"]
        return {
            row["index"]: math.nan if row["relevance_score"] is None else row["relevance_score"]
            for row in rows
        }

    def classified(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The engine's rows: labels with probabilities, or spans."""
        found: list[dict[str, Any]] = []
        for part in _parts(texts):
            body = {"input": [*part], "truncate": True}
            found += self._ask("/v1/classify", body, len(part))["data"]
        return found

    def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        body = {"input": [*texts], "truncate": True, "encoding_format": "base64"}
        rows = self._ask("/v1/embeddings", body, len(texts))["data"]
        return [array("f", base64.b64decode(row["embedding"])) for row in rows]

    def _ask(self, path: str, body: dict[str, Any], texts: int) -> dict[str, Any]:
        answer = self.engine.ask(path, body)
        self.tokens += int(answer["usage"]["total_tokens"])
        self.texts += texts
        self.told(self.texts)
        return answer


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE)]


def cosine(one: Vector, other: Vector) -> float:
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return dot / (norm(one) * norm(other))


def norm(vector: Vector) -> float:
    return math.sqrt(math.fsum(value * value for value in vector))
