"""Converts text to tokens, and tokens to bytes."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import llama_cpp as lib

from modelyard.serving.engines.llama_cpp.model.binding import LlamaModel
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import UNBOUND, Bound, Tokenizer
from modelyard.serving.errors import InvalidRequest

_PIECE = 1024


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A model's tokens; thread-safe while the model lives."""

    handle: Any
    size: int
    ends: frozenset[int]
    tokenizer: Tokenizer
    _pieces: dict[int, bytes] = field(default_factory=dict[int, bytes])

    @classmethod
    def of(cls, model: LlamaModel) -> "Vocabulary":
        size = lib.llama_vocab_n_tokens(model.vocab)
        ends = frozenset(t for t in range(size) if lib.llama_vocab_is_eog(model.vocab, t))
        return cls(model.vocab, size, ends, Tokenizer.of(model))

    def tokens(
        self, text: str, *, begin: bool = True, special: bool = True, bound: Bound = UNBOUND
    ) -> list[int]:
        """Tokenize; `begin` adds the model's begin and end tokens, `special` parses control tokens.

        A text that already starts with the begin token does not get a second one. Raises
        ContextLengthExceeded, UnbrokenText and TokenizingTooSlow for texts far out of bounds.
        """
        found = self.tokenizer.ids(text, begin=begin, special=special, bound=bound)
        begun = begin and len(found) > 1 and lib.llama_vocab_get_add_bos(self.handle)
        doubled = begun and found[0] == found[1] == self.begin
        return found[1:] if doubled else found

    def piece(self, token: int) -> bytes:
        """A token's bytes; empty for control tokens."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._bytes(token, control=False)
        return known

    def spelling(self, token: int) -> bytes:
        """A token's bytes; for control tokens their name's."""
        return self.piece(token) or self._bytes(token, control=True)

    def spelled(self, param: str, tokens: Iterable[int]) -> list[bytes]:
        """Each token's bytes; raises InvalidRequest for a token outside the vocabulary."""
        self.check(param, tokens := list(tokens))
        return [self.spelling(token) for token in tokens]

    def check(self, param: str, tokens: Iterable[int]) -> None:
        """Raise InvalidRequest for a token outside the vocabulary; llama.cpp would abort on it."""
        for token in tokens:
            if not 0 <= token < self.size:
                raise InvalidRequest(
                    f"'{param}' has the token {token}: it must be below {self.size}.", param=param
                )

    def named(self, name: str) -> int | None:
        """The token with this name; None unless the name is exactly one token."""
        found = self.tokens(name, begin=False)
        return found[0] if len(found) == 1 else None

    def text(self, tokens: Iterable[int]) -> str:
        """The tokens' text, with control tokens by name."""
        return b"".join(map(self.spelling, tokens)).decode("utf-8", "replace")

    def _bytes(self, token: int, *, control: bool) -> bytes:
        buffer = ctypes.create_string_buffer(_PIECE)
        size = lib.llama_token_to_piece(self.handle, token, buffer, _PIECE, 0, control)
        return buffer.raw[: max(size, 0)]

    def text_of(self, token: int) -> str:
        """A token's name, also for control tokens; empty for -1 (the model has none)."""
        return lib.llama_vocab_get_text(self.handle, token).decode() if token >= 0 else ""

    @property
    def begin(self) -> int:
        return int(cast("int", lib.llama_vocab_bos(self.handle)))

    @property
    def end(self) -> int:
        return int(cast("int", lib.llama_vocab_eos(self.handle)))
