"""How well a model predicts a text, and how far its predictions diverge from a reference's."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from modelyard.serving.engines.llama_cpp.model.binding import Logits

Rows = npt.NDArray[np.float32]


def log_softmax(logits: Logits) -> Rows:
    """Log-probabilities, row by row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@dataclass(slots=True)
class NegativeLogLikelihood:
    """Accumulates the negative log-likelihood of the actual next tokens."""

    total: float = 0.0
    count: int = 0

    def add(self, log_probabilities: Rows, targets: list[int]) -> None:
        chosen = log_probabilities[np.arange(len(targets)), targets]
        self.total -= float(chosen.sum(dtype=np.float64))
        self.count += len(targets)

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.total / self.count, 700.0)) if self.count else math.nan


@dataclass(slots=True)
class Divergence:
    """Kullback-Leibler divergence from a reference, in nats, and how often the top token agrees."""

    agreed: int = 0
    values: list[Rows] = field(default_factory=list[Rows])

    def add(self, reference: Rows, candidate: Rows) -> None:
        kl = (np.exp(reference) * (reference - candidate)).sum(axis=1)
        self.values.append(np.maximum(kl, 0).astype(np.float32))
        self.agreed += int((reference.argmax(axis=1) == candidate.argmax(axis=1)).sum())

    @property
    def mean(self) -> float:
        return float(self._all.mean())

    @property
    def p99(self) -> float:
        return float(np.quantile(self._all, 0.99))

    @property
    def agreement(self) -> float:
        return self.agreed / len(self._all)

    @property
    def _all(self) -> Rows:
        return np.concatenate(self.values)
