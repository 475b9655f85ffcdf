"""How a sequence draws its tokens: the likeliest, by a chain of its own, or within a grammar."""

import codecs
from typing import Any, Protocol

import llama_cpp as lib

from modelyard.serving.engines.generation import Generation
from modelyard.serving.engines.llama_cpp.model.binding import Logits
from modelyard.serving.engines.llama_cpp.sampling.candidates import Candidates
from modelyard.serving.engines.llama_cpp.sampling.grammar import Grammar
from modelyard.serving.engines.llama_cpp.sampling.sampling import SamplerChain, Scope
from modelyard.serving.engines.llama_cpp.sampling.token_text import TokenText
from modelyard.serving.errors import EngineFailed

_TRIES = 256  # bytes that may be wrong in a row before the model is given up


class Sampler(Protocol):
    """Draws from the logits of one token of the last batch, and remembers what was drawn."""

    def sample(self, context: Any, index: int, row: Logits) -> int: ...

    def close(self) -> None: ...


class GrammarSampler:
    """A grammar beside a request's own chain; `chain` None takes the likeliest token.

    Checking one token is cheap and checking all is not: so it is drawn as if there were no
    grammar first, and from all that fit only where the grammar refuses. The grammar takes control
    tokens for their names, and does not see whether a character's bytes belong together: that is
    seen to here.
    """

    def __init__(
        self, grammar: Any, chain: SamplerChain | None, candidates: Candidates, visible: TokenText
    ) -> None:
        self._grammar: Any = grammar
        self._chain = chain
        self._candidates = candidates
        self._visible = visible
        self._begun = b""  # of a character

    def sample(self, context: Any, index: int, row: Logits) -> int:
        """Draw; raises EngineFailed where no token of the model fits."""
        token = self._freely(row)
        wrong = list[int]()
        while not self.take(token):
            token = self._fitting(row, wrong)
            wrong.append(token)
        if self._chain is not None:
            self._chain.accept(token)
        return token

    def take(self, token: int) -> bool:
        """Go on by a token, if it fits and its bytes are text."""
        begun = _begun(self._begun + self._visible.piece(token))
        if begun is None or self._visible.is_silent(token) or not self._fits(token):
            return False
        self._begun = begun
        lib.llama_sampler_accept(self._grammar, token)
        return True

    def _fits(self, token: int) -> bool:
        lib.llama_sampler_apply(self._grammar, self._candidates.only(token))
        return not self._candidates.is_refused

    def close(self) -> None:
        lib.llama_sampler_free(self._grammar)
        self._grammar = None
        if self._chain is not None:
            self._chain.close()

    def _freely(self, row: Logits) -> int:
        if self._chain is None:
            return int(row.argmax())
        self._chain.apply(self._candidates.fill(row))
        return self._candidates.selected

    def _fitting(self, row: Logits, wrong: list[int]) -> int:
        candidates = self._candidates
        begun = bool(self._begun)
        native = candidates.fill(row)
        if begun or wrong:
            native = candidates.fill_text(row, begun=begun, without=wrong)
        lib.llama_sampler_apply(self._grammar, native)
        best = self._candidates.likeliest
        if best is None or len(wrong) > _TRIES:
            raise EngineFailed("No token of the model continues what the schema asks for.")
        if self._chain is None:
            return best
        self._chain.apply(native)
        return self._candidates.selected


def _begun(written: bytes) -> bytes | None:
    """The character that bytes leave unfinished; None where they are no text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(written)
    except UnicodeDecodeError:
        return None
    begun = decoder.getstate()[0]
    # Half of a surrogate pair, which Python's decoder refuses only with its last byte.
    return None if begun[:1] == b"\xed" and begun[1:] >= b"\xa0" else begun


def drawer_for(
    generation: Generation, grammar: Grammar | None, scope: Scope, candidates: Candidates
) -> Sampler | None:
    """None where the likeliest token of the raw logits is the answer."""
    sampling = generation.sampling
    chain = None if sampling.is_plain_greedy else SamplerChain(sampling, generation.prompt, scope)
    if grammar is None:
        return chain
    visible = TokenText.of(candidates.vocabulary, generation.calls)
    return GrammarSampler(grammar.copy(), chain, candidates, visible)
