"""Trials for models that read, one per kind, which turn their answers into metrics.

NaN values are kept in the metrics; the quality gate decides which are faults.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from modelyard.flows.steps.evaluate.reading import EncoderUnderTest, Vector, cosine, norm
from modelyard.flows.steps.evaluate.texts import Triple, pieces, triples
from modelyard.registry.catalog.model import Kind

Metrics = dict[str, float]


def embedding(reading: EncoderUnderTest) -> Metrics:
    """Check that similar texts lie nearer than unlike ones, and that repeats give equal vectors."""
    texts, similar, unlike = places(reading)
    once, again = ([reading.vectors([t.text])[0] for t in triples()] for _ in range(2))
    gaps = [cosine(a, b) - cosine(a, c) for a, b, c in zip(texts, similar, unlike, strict=True)]
    return {
        "embedding_length": float(len(texts[0])),
        "similar_nearer": _share(gap > 0 for gap in gaps),
        "similar_margin": math.fsum(gaps) / len(gaps),
        "repeat_difference": max(map(_difference, once, again)),
        "batch_cosine": min(map(cosine, texts, once)),
        "norm_error": max(abs(norm(vector) - 1) for vector in texts),
    }


def places(reading: EncoderUnderTest) -> list[list[Vector]]:
    """The vectors of all texts, of the similar ones and of the unlike ones."""
    parts: tuple[Callable[[Triple], str], ...] = (
        lambda known: known.text,
        lambda known: known.similar,
        lambda known: known.unlike,
    )
    return [reading.vectors([part(known) for known in triples()]) for part in parts]


def ranking(reading: EncoderUnderTest) -> Metrics:
    """Check that scores are numbers that differ, and that similar texts rank first."""
    pairs = [reading.scores(known) for known in triples()]
    scores = [score for pair in pairs for score in pair]
    return {
        "similar_first": _share(similar > unlike for similar, unlike in pairs),
        "score_least": _least(scores),
        "score_spread": max(scores) - min(scores),
    }


def classifying(reading: EncoderUnderTest) -> Metrics:
    """Check each label's probability, and how far their sum is from 1 at most."""
    rows = [list(map(_number, row["probs"])) for row in reading.classified(_texts())]
    return {
        "labels": float(len(rows[0])),
        "probability_least": _least(value for row in rows for value in row),
        "probability_most": max(value for row in rows for value in row),
        "sum_error": max(abs(math.fsum(row) - 1) for row in rows),
    }


def marking(reading: EncoderUnderTest) -> Metrics:
    """Check that spans lie inside their text and have a probability each."""
    rows = reading.classified(_texts())
    by_text = zip(_texts(), rows, strict=True)
    spans = [(text, span) for text, row in by_text for span in row["entities"]]
    likely = [_number(span["score"]) for _, span in spans] or [0.0]
    return {
        "labels": float(rows[0]["num_classes"]),
        "spans": float(len(spans)),
        "spans_outside": float(sum(not _inside(span, text) for text, span in spans)),
        "probability_least": _least(likely),
        "probability_most": max(likely),
    }


TRIALS: Mapping[Kind, Callable[[EncoderUnderTest], Metrics]] = {
    Kind.EMBED: embedding,
    Kind.RERANK: ranking,
    Kind.CLASSIFY: classifying,
    Kind.TOKEN_CLASSIFY: marking,
}

TEXTS: Mapping[Kind, int] = {
    Kind.EMBED: 5,
    Kind.RERANK: 2,
    Kind.CLASSIFY: 1,
    Kind.TOKEN_CLASSIFY: 1,
}
"""Texts that a trial reads per triple."""


def speed(reading: EncoderUnderTest, kind: Kind, text: str) -> Metrics:
    """Measure speed on a longer text, read in batches of pieces, then the engine's memory."""
    texts = pieces(text)
    tokens = reading.tokens
    begun = time.perf_counter()
    if kind is Kind.EMBED:
        reading.vectors(texts)
    elif kind is Kind.RERANK:
        reading.ranked(texts[0], texts)
    else:
        reading.classified(texts)
    took = time.perf_counter() - begun
    return {
        "texts_per_second": len(texts) / took,
        "tokens_per_second": (reading.tokens - tokens) / took,
        "memory_bytes": float(reading.engine.resident_bytes),
        "load_seconds": reading.engine.load_s,
        "evaluated_tokens": float(reading.tokens),
    }


def _texts() -> list[str]:
    return [known.text for known in triples()]


def _inside(span: Mapping[str, Any], text: str) -> bool:
    return 0 <= span["start"] < span["end"] <= len(text)


def _number(value: float | None) -> float:
    """Convert null to NaN, which JSON cannot represent."""
    return math.nan if value is None else value


def _least(values: Iterable[float]) -> float:
    """The minimum; NaN if a value is not finite."""
    known = list(values)
    return min(known) if all(map(math.isfinite, known)) else math.nan


def _share(held: Iterable[bool]) -> float:
    known = list(held)
    return sum(known) / len(known)


def _difference(one: Vector, other: Vector) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
