"""sentence-transformers in plain numpy, one text at a time: pooling, prompts, normalising."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.models.numpy_bert import NumpyBert, unit

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class SentenceBert:
    """What `SentenceTransformer.encode` would give for the network and these settings."""

    network: NumpyBert
    tokenizer: Any
    modes: Sequence[str] = ("mean",)
    normalised: bool = False
    include_prompt: bool = True

    def encode(self, text: str, prompt: str = "") -> Vector:
        encoding = self.tokenizer.encode(prompt + text)
        states = self.network.hidden(encoding.ids, encoding.type_ids)
        first = 0 if self.include_prompt or not prompt else self._length(prompt)
        vector = np.concatenate([pooled(mode, states, first) for mode in self.modes])
        return unit(vector) if self.normalised else vector

    def _length(self, prompt: str) -> int:
        """Tokens of a prompt with what stands before it, but not with the mark at its end."""
        return len(self.tokenizer.encode(prompt).ids) - 1


def pooled(mode: str, states: Vector, first: int = 0) -> Vector:
    """One vector of the states from `first` on; weights count from the first state of all."""
    kept = states[first:]
    places = np.arange(first + 1, len(states) + 1)
    match mode:
        case "cls":
            return kept[0]
        case "lasttoken":
            return kept[-1]
        case "max":
            return kept.max(0)
        case "mean":
            return kept.mean(0)
        case "mean_sqrt_len_tokens":
            return kept.sum(0) / len(kept) ** 0.5
        case "weightedmean":
            return (kept * places[:, None]).sum(0) / places.sum()
        case _:
            raise ValueError(mode)
