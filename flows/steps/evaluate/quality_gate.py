"""Quality bounds for builds, and the check that refuses a build outside them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelyard.flows.errors import GateFailed
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.registry.catalog.model import ModelFacts


@dataclass(frozen=True, slots=True)
class QualityBounds:
    """How much worse than its source a build may be, and how good a build must be by itself.

    A model that knows nothing has a perplexity like the size of its vocabulary: `chance_share` is
    the part of that which is refused, and more.
    """

    perplexity_ratio: float
    kl_mean: float
    chance_share: float = 1.0
    similar: float = 0.7
    cosine: float = 0.98


_NUMBERS = (
    "embedding_length",
    "similar_margin",
    "score_least",
    "score_spread",
    "probability_least",
    "probability_most",
)
_EXACT = 1e-3
_WHOLE = 1 + _EXACT
"""Allowed error in sums of probabilities, vector lengths and repeated vectors."""


def check_gate(build: BuiltModel, metrics: Mapping[str, float], bounds: QualityBounds) -> None:
    """Raise GateFailed with the numbers if a build lost more quality than allowed."""
    ratio = metrics.get("perplexity_ratio", 1.0)
    divergence = metrics.get("kl_mean", 0.0)
    if not math.isfinite(metrics["perplexity"]):
        raise GateFailed(
            f"{build.file.path} predicts nothing: its perplexity is no number.",
            fix="Its weights are broken; take another file or revision.",
        )
    _check_chance(build, metrics["perplexity"], bounds)
    if ratio <= bounds.perplexity_ratio and divergence <= bounds.kl_mean:
        return
    raise GateFailed(
        f"{build.file.path} is worse than {build.source.path}: its perplexity is {ratio:.3f} times "
        f"as high (allowed {bounds.perplexity_ratio:g}), its mean KL divergence {divergence:.4f} "
        f"(allowed {bounds.kl_mean:g}). It is not registered.",
        fix="Quantize to a larger type such as Q6_K or Q8_0, or raise "
        "MODELYARD_GATE_MAX_PERPLEXITY_RATIO or MODELYARD_GATE_MAX_KL.",
    )


def _check_chance(build: BuiltModel, perplexity: float, bounds: QualityBounds) -> None:
    """Raise GateFailed for a model that predicts no better than chance."""
    words = build.facts.details.get("vocabulary")
    if words and perplexity >= bounds.chance_share * words:
        raise GateFailed(
            f"{build.file.path} predicts no better than chance: its perplexity is "
            f"{perplexity:,.0f} with a vocabulary of {words:,}. It is not registered.",
            fix="It may be no model that writes, or its weights are broken; take another file. A "
            "text in its own language with --eval-text, or MODELYARD_GATE_CHANCE_SHARE, may help.",
        )


def check_reading(build: BuiltModel, metrics: Mapping[str, float], bounds: QualityBounds) -> None:
    """Raise GateFailed with the numbers if a build's answers make no sense."""
    faults = [*_faults(build, metrics), *_too_low(metrics, bounds)]
    if faults:
        raise GateFailed(
            f"{build.file.path} reads, but {'; '.join(faults)}. It is not registered.",
            fix="Its weights or the files beside it are wrong; take another file or revision. A "
            "model of another language than English may need MODELYARD_GATE_MIN_SIMILAR=0.",
        )


def _faults(build: BuiltModel, metrics: Mapping[str, float]) -> Iterator[str]:
    """Faults that no model may have, whatever the settings."""
    if not all(math.isfinite(metrics.get(name, 0.0)) for name in _NUMBERS):
        yield "some of its answers are no numbers"
    if metrics.get("score_spread") == 0:
        yield "it gives every text the same score"
    if metrics.get("spans_outside", 0.0):
        yield "it marks spans outside their text"
    if metrics.get("probability_least", 0.0) < 0 or metrics.get("probability_most", 0.0) > _WHOLE:
        yield "its probabilities are not between 0 and 1"
    for name, fault in _exact(build.facts).items():
        if not metrics.get(name, 0.0) <= _EXACT:
            yield f"{fault} (off by {metrics[name]:.2g})"


def _exact(facts: ModelFacts) -> dict[str, str]:
    """Metrics that must be nearly 0, and the fault that a larger value indicates."""
    faults = {"repeat_difference": "the same text twice gives different vectors"}
    if not facts.details.get("many_labels"):
        faults["sum_error"] = "its probabilities do not add up to 1"
    if facts.details.get("normalised"):
        faults["norm_error"] = "its vectors are not of length 1"
    return faults


def _too_low(metrics: Mapping[str, float], bounds: QualityBounds) -> Iterator[str]:
    similar = metrics.get("similar_nearer", 1.0)
    near = metrics.get("cosine_original", 1.0)
    if not similar >= bounds.similar:
        yield (
            f"only {similar:.0%} of similar texts lie nearer than unlike ones "
            f"(at least {bounds.similar:.0%}: MODELYARD_GATE_MIN_SIMILAR)"
        )
    if not near >= bounds.cosine:
        yield (
            f"its vectors lie too far from the original's, at a cosine of {near:.4f} "
            f"(at least {bounds.cosine:g}: MODELYARD_GATE_MIN_COSINE)"
        )
