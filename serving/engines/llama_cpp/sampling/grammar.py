"""Grammars compiled by llama.cpp: made once, kept for a while, copied for every answer."""

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
    """A compiled grammar at its beginning; it never moves, only its copies do."""

    def __init__(self, vocabulary: Any, source: GrammarSource) -> None:
        """Compile GBNF; raises InvalidRequest with llama.cpp's own words."""
        self._handle: Any = lib.llama_sampler_init_grammar(
            vocabulary, source.text.encode("utf-8", "replace"), b"root"
        )
        if not bool(self._handle):  # a pointer object, but to nothing
            raise InvalidRequest(
                f"'{source.param}' makes a grammar that llama.cpp refuses: {last_words()}",
                param=source.param,
            )
        weakref.finalize(self, lib.llama_sampler_free, self._handle)

    def copy(self) -> Any:
        """A grammar of an answer's own, to be freed by it."""
        return lib.llama_sampler_clone(self._handle)


@dataclass(slots=True)
class Grammars:
    """The grammars used last, by their source; safe from any thread."""

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
