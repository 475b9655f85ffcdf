"""The part of a token that appears in an answer's text."""

from dataclasses import dataclass

from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.tool_calls.forms import CallPlan


@dataclass(frozen=True, slots=True)
class TokenText:
    """Hides control tokens, except those in `shown`, which mark tool calls."""

    vocabulary: Vocabulary
    shown: frozenset[int | None] = frozenset()

    @classmethod
    def of(cls, vocabulary: Vocabulary, plan: CallPlan | None) -> "TokenText":
        marks = plan.form.marks if plan else ()
        return cls(vocabulary, frozenset(vocabulary.named(mark) for mark in marks))

    def piece(self, token: int) -> bytes:
        vocabulary = self.vocabulary
        return vocabulary.spelling(token) if token in self.shown else vocabulary.piece(token)

    def is_silent(self, token: int) -> bool:
        """Whether a token has no visible text and does not end the answer."""
        return token not in self.vocabulary.ends and not self.piece(token)
