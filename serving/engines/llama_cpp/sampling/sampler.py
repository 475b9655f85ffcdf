"""How a sequence draws tokens: greedily, with its own sampler chain, or under a grammar."""

import codecs
from typing import Any, Protocol

from modelyard.serving.engines.generation import Generation
from modelyard.serving.engines.llama_cpp.model.binding import Logits
from modelyard.serving.engines.llama_cpp.sampling.candidates import Candidates
from modelyard.serving.engines.llama_cpp.sampling.grammar import GrammarCopy
from modelyard.serving.engines.llama_cpp.sampling.sampling import SamplerChain, Scope
from modelyard.serving.engines.llama_cpp.sampling.token_text import TokenText
from modelyard.serving.errors import EngineFailed

_TRIES = 256  # rejected tokens in a row before the request fails


class Sampler(Protocol):
    """Draws from the logits of one token of the last batch and records what was drawn."""

    def sample(self, context: Any, index: int, row: Logits) -> int: ...

    def close(self) -> None: ...


class GrammarSampler:
    """A grammar combined with a request's own chain; `chain` None takes the likeliest token.

    Checking one token is cheap, checking all is not: the sampler first draws without the grammar,
    and draws from all permitted tokens only if the grammar refuses that one. The grammar accepts
    control tokens by name and does not check that bytes form valid UTF-8, so this class does.
    """

    def __init__(
        self,
        grammar: GrammarCopy,
        chain: SamplerChain | None,
        candidates: Candidates,
        visible: TokenText,
    ) -> None:
        self._grammar = grammar
        self._chain = chain
        self._candidates = candidates
        self._visible = visible
        self._begun = b""  # bytes of an unfinished character

    def sample(self, context: Any, index: int, row: Logits) -> int:
        """Draw a token; raises EngineFailed if none of the model fits, or GrammarTooSlow."""
        token = self._freely(row)
        wrong = list[int]()
        while not self.take(token):
            token = self._fitting(row, wrong)
            wrong.append(token)
        if self._chain is not None:
            self._chain.accept(token)
        return token

    def take(self, token: int) -> bool:
        """Advance by a token if the grammar allows it and its bytes are valid text."""
        begun = _begun(self._begun + self._visible.piece(token))
        if begun is None or self._visible.is_silent(token) or not self._fits(token):
            return False
        self._begun = begun
        self._grammar.accept(token)
        return True

    def _fits(self, token: int) -> bool:
        self._grammar.apply(self._candidates.only(token))
        return not self._candidates.is_refused

    def close(self) -> None:
        self._grammar.close()
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
        self._grammar.apply(native)
        best = self._candidates.likeliest
        if best is None or len(wrong) > _TRIES:
            raise EngineFailed("No token of the model continues what the schema asks for.")
        if self._chain is None:
            return best
        self._chain.apply(native)
        return self._candidates.selected


def _begun(written: bytes) -> bytes | None:
    """The bytes of an unfinished final character; None if the bytes are not valid UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(written)
    except UnicodeDecodeError:
        return None
    begun = decoder.getstate()[0]
    # Half of a surrogate pair: Python's decoder refuses it only at its last byte.
    return None if begun[:1] == b"\xed" and begun[1:] >= b"\xa0" else begun


def drawer_for(
    generation: Generation, grammar: GrammarCopy | None, scope: Scope, candidates: Candidates
) -> Sampler | None:
    """The sequence's sampler; None if it takes the likeliest token of the raw logits."""
    sampling = generation.sampling
    chain = None if sampling.is_plain_greedy else SamplerChain(sampling, generation.prompt, scope)
    if grammar is None:
        return chain
    visible = TokenText.of(candidates.vocabulary, generation.calls)
    return GrammarSampler(grammar, chain, candidates, visible)
