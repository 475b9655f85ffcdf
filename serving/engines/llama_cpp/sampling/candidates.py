"""All tokens with their logits, in the form llama.cpp's samplers work on."""

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from modelyard.serving.engines.llama_cpp.model.binding import Logits
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Candidates:
    """One array, refilled for every draw; used by the scheduler's thread only."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._tokens = np.zeros(vocabulary.size, _CANDIDATE)
        self._ids = np.arange(vocabulary.size, dtype=np.int32)
        self._continuing: npt.NDArray[np.bool_] | None = None
        self._native: Any = lib.llama_token_data_array()

    def fill(self, row: Logits, without: Sequence[int] = ()) -> Any:
        """Every token with its logit; tokens in `without` get minus infinity."""
        self._tokens["id"] = self._ids
        self._tokens["logit"] = row
        for token in without:
            self._tokens["logit"][token] = -np.inf
        return self._of(len(self._tokens))

    def fill_text(self, row: Logits, *, begun: bool, without: Sequence[int]) -> Any:
        """Only tokens that start at a character boundary, or continue the character `begun`."""
        if self._continuing is None:  # once, and only for models that produce broken characters
            firsts = (self.vocabulary.piece(int(token))[:1] for token in self._ids)
            self._continuing = np.array([b"\x80" <= first < b"\xc0" for first in firsts])
        native = self.fill(row, without)
        self._tokens["logit"][self._continuing != begun] = -np.inf
        return native

    def only(self, token: int) -> Any:
        """One token, with a finite logit."""
        self._tokens[0] = token, 1.0, 0.0
        return self._of(1)

    @property
    def is_refused(self) -> bool:
        """Whether a grammar has refused the only token."""
        return not np.isfinite(self._tokens[0]["logit"])

    @property
    def likeliest(self) -> int | None:
        """The best token that a grammar has left, in `fill` order; None if there is none."""
        best = int(self._tokens["logit"].argmax())
        return best if np.isfinite(self._tokens[best]["logit"]) else None

    @property
    def selected(self) -> int:
        """The token that a chain has chosen; samplers may have reordered the array."""
        return int(self._native.data[self._native.selected].id)

    def _of(self, size: int) -> Any:
        native = self._native
        native.data = ctypes.cast(self._tokens.ctypes.data, lib.llama_token_data_p)
        native.size = size
        native.selected = -1
        native.sorted = False
        return native
