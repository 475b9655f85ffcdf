"""Tokenizes any text with llama.cpp, on a large enough stack and within limits.

llama.cpp's word splitting recurses as deep as the longest word is long
(`modelyard.serving.engines.llama_cpp.tokenizer.unbroken_text`), and overflowing the stack kills the
process. So a text that is not short gets a stack sized for all of it being one word. The system
allocates only the pages used, and a word that would use many is refused.
"""

import ctypes
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import llama_cpp as lib

from modelyard.serving.engines.llama_cpp.model.binding import LlamaModel
from modelyard.serving.engines.llama_cpp.tokenizer.deep_stack import PER_CHARACTER, on_stack
from modelyard.serving.engines.llama_cpp.tokenizer.special_tokens import Specials
from modelyard.serving.engines.llama_cpp.tokenizer.unbroken_text import Runs
from modelyard.serving.errors import ContextLengthExceeded, TokenizingTooSlow

SHORT = 4096
"""Characters that fit a thread's normal stack, if that is the usual 8 MiB."""

SECONDS = 10.0
"""CPU seconds a text may take; a million characters take one or two."""

CROWD = 50_000
"""Most special tokens llama.cpp may have to find in one piece: quadratic time, about 10 s."""

_OWN = 1024 * 1024  # bytes of stack besides words
_UNLIMITED = 2 * 1024 * 1024  # a thread's stack size if the process's limit is unlimited
_LONG_TOKEN = 8  # characters per token; human text has fewer
_FAR = 2  # token count as a multiple of the bound beyond which later text cannot undo it


@dataclass(frozen=True, slots=True)
class Bound:
    """Limits on a request's text: `tokens` of context and `seconds` of CPU time.

    `param` is the request field that contains the text.
    """

    param: str | None = None
    tokens: int | None = None
    seconds: float = SECONDS


UNBOUND = Bound(seconds=inf)


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The tokenizer of one vocabulary, by its handle; thread-safe while the model lives.

    `edges` are the tokens that the model adds before and after a text.
    """

    handle: Any
    runs: Runs | None
    specials: Specials
    edges: tuple[list[int], list[int]]

    @classmethod
    def of(cls, model: LlamaModel) -> "Tokenizer":
        is_bpe = lib.llama_vocab_type(model.vocab) == lib.LLAMA_VOCAB_TYPE_BPE
        runs = Runs.of(model.metadata("tokenizer.ggml.pre")) if is_bpe else None
        return cls(model.vocab, runs, Specials.of(model.vocab), _edges(model.vocab))

    def ids(self, text: str, *, begin: bool, special: bool, bound: Bound) -> list[int]:
        """The tokens llama.cpp gives for the whole text, however it is split into pieces.

        Raises ContextLengthExceeded, UnbrokenText, TokenizingTooSlow and EngineBusy.
        """
        if len(text) <= _short():
            return native(self.handle, text, begin=begin, special=special)
        for head in _heads(text, bound.tokens):
            self._deep(head, special=special, bound=bound)
        ids = self._deep(text, special=special, bound=bound)
        return self.edges[0] + ids + self.edges[1] if begin else ids

    def _deep(self, text: str, *, special: bool, bound: Bound) -> list[int]:
        size = _OWN + len(text) * PER_CHARACTER
        return on_stack(size, lambda: self._pieces(text, special=special, bound=bound))

    def _pieces(self, text: str, *, special: bool, bound: Bound) -> list[int]:
        """Special tokens, and the tokens of the texts between; repeats are tokenized once."""
        ids = list[int]()
        known = dict[str, list[int]]()
        until = time.thread_time() + bound.seconds
        for piece in self.specials.cut(text) if special else (text,):
            if isinstance(piece, int):
                ids.append(piece)
            else:
                if piece not in known:
                    known[piece] = self._piece(piece, special=special, bound=bound)
                ids += known[piece]
            _check(len(ids), bound, until)
        return ids

    def _piece(self, text: str, *, special: bool, bound: Bound) -> list[int]:
        if self.runs is not None:
            self.runs.check(text, bound.param)
        if len(text) > CROWD and self.specials.left(text) > CROWD:
            raise TokenizingTooSlow(
                f"A text has more than {CROWD} special tokens between two that stand alone.",
                param=bound.param,
            )
        return native(self.handle, text, begin=False, special=special)


def native(vocab: Any, text: str, *, begin: bool, special: bool) -> list[int]:
    """llama.cpp's tokens of a text that fits this thread's stack."""
    data = text.encode("utf-8", "replace")
    room = len(data) + 8
    found = (ctypes.c_int32 * room)()
    count = lib.llama_tokenize(vocab, data, len(data), found, room, begin, special)
    if count < 0:
        found = (ctypes.c_int32 * -count)()
        count = lib.llama_tokenize(vocab, data, len(data), found, -count, begin, special)
    return found[:count]


def _check(count: int, bound: Bound, until: float) -> None:
    """Raise if the tokens or CPU time so far exceed the bound."""
    if bound.tokens is not None and count > _FAR * bound.tokens:
        raise ContextLengthExceeded(
            f"'{bound.param}' has more than {count} tokens; the context holds {bound.tokens}.",
            param=bound.param,
        )
    if time.thread_time() > until:
        raise TokenizingTooSlow(
            f"The text takes more than {bound.seconds:g} s to become tokens: it has many special"
            " tokens.",
            param=bound.param,
            fix="Send less text, or less of it as separate messages.",
        )


def _heads(text: str, tokens: int | None) -> Iterator[str]:
    """Prefixes to check first if a text is long for the token limit."""
    size = _LONG_TOKEN * (tokens or len(text))
    while size < len(text):
        yield text[:size]
        size *= 4


def _edges(vocab: Any) -> tuple[list[int], list[int]]:
    """The tokens that the model adds before and after any text."""
    bare = native(vocab, "a", begin=False, special=False)
    whole = native(vocab, "a", begin=True, special=False)
    for at in range(len(whole) - len(bare) + 1):
        if whole[at : at + len(bare)] == bare:
            return whole[:at], whole[at + len(bare) :]
    return whole, []


def _short() -> int:
    """Characters that fit a thread's normal stack twice over, at most SHORT."""
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return min(SHORT, (_UNLIMITED if stack < 0 else stack) // (2 * PER_CHARACTER))
