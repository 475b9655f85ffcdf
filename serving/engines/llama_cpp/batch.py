"""The tokens of one decode, in numpy arrays so that filling takes a few slice writes."""

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp as lib
import numpy as np


class Batch:
    """Up to `capacity` tokens, each with its sequence and position; some request logits."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self.rows = 0
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._sequences = np.zeros(capacity, np.int32)
        self._wanted = np.zeros(capacity, np.int8)
        self._ones = np.ones(capacity, np.int32)
        # llama.cpp needs a pointer to each token's sequence ids; each has one, so set them up once.
        addresses = self._sequences.ctypes.data + 4 * np.arange(capacity, dtype=np.uint64)
        self._addresses = addresses.astype(np.uint64)
        self.native = self._native()

    @property
    def room(self) -> int:
        return self.capacity - self.size

    def clear(self) -> None:
        self.size = self.rows = 0

    def add(
        self, sequence: int, tokens: Sequence[int], start: int, *, wanted: bool, every: bool = False
    ) -> int:
        """Append tokens from position `start`; returns the batch index of the last.

        `wanted` computes the last token's logits, in row `rows - 1`; `every` computes all.
        """
        begin = self.size
        end = self.size + len(tokens)
        if len(tokens) == 1:  # a writer's token: scalar writes are faster than slices
            self._tokens[begin] = tokens[0]
            self._positions[begin] = start
            self._sequences[begin] = sequence
        else:
            self._tokens[begin:end] = tokens
            self._positions[begin:end] = np.arange(start, start + len(tokens))
            self._sequences[begin:end] = sequence
            self._wanted[begin:end] = every
        self._wanted[end - 1] = wanted or every
        self.size = end
        self.rows += len(tokens) if every else wanted
        self.native.n_tokens = end
        return end - 1

    def _native(self) -> Any:
        native: Any = lib.llama_batch()
        integers = ctypes.POINTER(ctypes.c_int32)
        native.token = ctypes.cast(self._tokens.ctypes.data, integers)
        native.pos = ctypes.cast(self._positions.ctypes.data, integers)
        native.n_seq_id = ctypes.cast(self._ones.ctypes.data, integers)
        native.seq_id = ctypes.cast(self._addresses.ctypes.data, ctypes.POINTER(integers))
        native.logits = ctypes.cast(self._wanted.ctypes.data, ctypes.POINTER(ctypes.c_int8))
        native.embd = None
        return native
