"""Grammars compiled by llama.cpp: compiled once, cached, copied for each answer."""

import threading
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import llama_cpp as lib

from modelyard.serving.engines.generation import GrammarSource
from modelyard.serving.engines.llama_cpp.model.binding import last_words
from modelyard.serving.errors import GrammarTooSlow, InvalidRequest

KEPT = 64

FIRST_S = 2.0
TOKEN_S = 0.05
"""Processor seconds that a grammar may take: at once, and more with each token."""


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
        self._param = source.param
        weakref.finalize(self, lib.llama_sampler_free, self._handle)

    def copy(self, first_s: float = FIRST_S) -> "GrammarCopy":
        """A copy for one answer; takes time that grows with the rules times the alternatives."""
        return GrammarCopy(lib.llama_sampler_clone(self._handle), self._param, first_s)


class GrammarCopy:
    """The state of a grammar in one answer, which may take so much of the scheduler's time."""

    def __init__(self, handle: Any, param: str, first_s: float) -> None:
        self._handle = handle
        self._param = param
        self._most = first_s
        self._left = first_s
        self.close = weakref.finalize(self, lib.llama_sampler_free, handle)

    def apply(self, candidates: Any) -> None:
        """Refuse the candidates that do not fit; raises GrammarTooSlow once its time is over."""
        begun = time.thread_time()
        lib.llama_sampler_apply(self._handle, candidates)
        self._spend(begun)

    def accept(self, token: int) -> None:
        begun = time.thread_time()
        lib.llama_sampler_accept(self._handle, token)
        self._left = min(self._left + TOKEN_S, self._most)
        self._spend(begun)

    def _spend(self, begun: float) -> None:
        self._left -= time.thread_time() - begun
        if self._left < 0:
            raise GrammarTooSlow(
                f"'{self._param}' leaves so many ways open that following them would keep others"
                " waiting.",
                param=self._param,
                fix="Ask for fewer alternatives, or alternatives that begin differently.",
            )


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

    def copy_of(self, source: GrammarSource) -> GrammarCopy:
        return self.compiled(source).copy()
