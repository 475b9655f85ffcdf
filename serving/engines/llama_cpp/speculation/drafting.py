"""Drafts a sequence's next tokens, for the model to confirm several in one step."""

from typing import Protocol

MOST = 8
"""Most tokens drafted at once."""

_GRAM = 3


class Drafter(Protocol):
    """Drafts tokens for the sequence in one slot; a new list object means a new sequence."""

    @property
    def seconds(self) -> float:
        """Cost of one drafted token in seconds."""
        ...

    def reach(self, tokens: list[int]) -> int:
        """How many tokens can be drafted now; cheap."""
        ...

    def propose(self, tokens: list[int], count: int) -> list[int]:
        """Up to `count` tokens that may follow `tokens`."""
        ...


class PromptLookup:
    """Drafts what followed the last occurrence of the sequence's final three tokens."""

    seconds = 0.0

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._follows: dict[tuple[int, ...], int] = {}
        self._seen = 0

    def reach(self, tokens: list[int]) -> int:
        return MOST if self._found(tokens) else 0

    def propose(self, tokens: list[int], count: int) -> list[int]:
        """The found continuation, repeated if it reaches the end of the text."""
        start = self._found(tokens)
        if not start:
            return []
        run = tokens[start : start + count]
        return (run * (count // len(run) + 1))[:count]

    def _found(self, tokens: list[int]) -> int:
        """Index where the continuation begins; 0 if these three tokens did not occur before."""
        self._read(tokens)
        return self._follows.get(tuple(tokens[-_GRAM:]), 0)

    def _read(self, tokens: list[int]) -> None:
        """Index each new three-token run that has a successor."""
        if tokens is not self._tokens:
            self._tokens = tokens
            self._follows = {}
            self._seen = 0
        new = tokens[self._seen : -1]
        if len(new) == _GRAM:
            self._follows[tuple(new)] = self._seen + _GRAM
            self._seen += 1
        elif len(new) > _GRAM:
            places = range(self._seen + _GRAM, len(tokens))
            self._follows.update(zip(zip(new, new[1:], new[2:], strict=False), places, strict=True))
            self._seen = len(tokens) - _GRAM
