"""Grammars compiled by llama.cpp: compiled once, cached, copied for each answer."""

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import llama_cpp as lib

from modelyard.serving.engines.generation import GrammarSource
from modelyard.serving.engines.llama_cpp.model.binding import last_words
from modelyard.serving.errors import InvalidRequest

KEPT = 64


class Grammar:
    """A compiled grammar in its initial state; only its copies advance."""

    def __init__(self, vocabulary: Any, source: GrammarSource) -> None:
        """Compile GBNF; raises InvalidRequest with llama.cpp's message."""
        self._handle: Any = lib.llama_sampler_init_grammar(
            vocabulary, source.text.encode("utf-8", "replace"), b"root"
        )
        if not bool(self._handle):  # a null pointer
            raise InvalidRequest(
                f"'{source.param}' makes a grammar that llama.cpp refuses: {last_words()}",
                param=source.param,
            )
        weakref.finalize(self, lib.llama_sampler_free, self._handle)

    def copy(self) -> Any:
        """A copy for one answer, which must free it."""
        return lib.llama_sampler_clone(self._handle)


@dataclass(slots=True)
class Grammars:
    """The most recently used grammars, by source; thread-safe."""

    vocabulary: Any
    _kept: OrderedDict[str, Grammar] = field(default_factory=OrderedDict[str, Grammar])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def compiled(self, source: GrammarSource) -> Grammar:
        with self._lock:
            if source.text in self._kept:
                self._kept.move_to_end(source.text)
                return self._kept[source.text]
        grammar = Grammar(self.vocabulary, source)
        with self._lock:
            self._kept[source.text] = grammar
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return grammar
