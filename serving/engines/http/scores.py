"""Logprobs of tokens in OpenAI's two formats."""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass, field

from modelyard.serving.engines.generation import TokenPosition, TokenScore
from modelyard.serving.wire.openai.logprobs import (
    LEAST,
    ChatLogprobs,
    CompletionLogprobs,
    TokenLogprob,
    TopLogprob,
)


def chat_logprobs(scores: Iterable[TokenScore]) -> ChatLogprobs:
    """One entry per token of the answer, without the end token."""
    return ChatLogprobs([_entry(s) for s in scores if s.place is TokenPosition.WRITTEN])


def _entry(scored: TokenScore) -> TokenLogprob:
    rivals = [TopLogprob(_text(p), _finite(logprob), list(p)) for p, logprob in scored.top]
    own = _finite(scored.logprob or 0.0)
    return TokenLogprob(_text(scored.piece), own, list(scored.piece), rivals)


@dataclass(slots=True)
class Offsets:
    """Text offsets of tokens; a character split over tokens starts at its first token."""

    at: int = 0
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def logprobs(self, scores: Iterable[TokenScore]) -> CompletionLogprobs:
        """The lists for the next tokens, including the end token, by its name."""
        found = CompletionLogprobs([], [], [], [])
        for scored in scores:
            found.tokens.append(_name(scored.piece))
            found.text_offset.append(self._next(scored.shown))
            own = None if scored.logprob is None else _finite(scored.logprob)
            found.token_logprobs.append(own)
            found.top_logprobs.append(None if own is None else _rivals(scored, own))
        return found

    def _next(self, shown: bytes) -> int:
        """A token's offset; a token of whole characters starts after any incomplete one."""
        text = self._decoder.decode(shown)
        begin = self.at
        self.at += len(text)
        return self.at - len(shown.decode()) if _is_whole(shown) else begin


def _rivals(scored: TokenScore, own: float) -> dict[str, float]:
    """The likeliest tokens plus, as with OpenAI, the actual one."""
    if not scored.top:
        return {}
    rivals = {_name(piece): _finite(logprob) for piece, logprob in scored.top}
    return rivals | {_name(scored.piece): own}


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")


def _name(piece: bytes) -> str:
    """A token's text; partial characters as hex bytes, as OpenAI does, so that names are unique."""
    if _is_whole(piece):
        return piece.decode()
    return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def _is_whole(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _finite(logprob: float) -> float:
    return max(logprob, LEAST)
