"""Guesses at how a sequence goes on, for the model to confirm several tokens in one step."""

from typing import Protocol

MOST = 8
"""Tokens guessed at once."""

_GRAM = 3


class Drafter(Protocol):
    """Guesses for the sequence in one slot; a new list of tokens is a new sequence."""

    @property
    def seconds(self) -> float:
        """What one guessed token costs."""
        ...

    def reach(self, tokens: list[int]) -> int:
        """How many tokens could be guessed now; cheap."""
        ...

    def propose(self, tokens: list[int], count: int) -> list[int]:
        """Up to `count` tokens that may follow `tokens`."""
        ...


class PromptLookup:
    """What followed the last time that the same three tokens stood in the sequence."""

    seconds = 0.0

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._follows: dict[tuple[int, ...], int] = {}
        self._seen = 0

    def reach(self, tokens: list[int]) -> int:
        return MOST if self._found(tokens) else 0

    def propose(self, tokens: list[int], count: int) -> list[int]:
        """Goes round where the text repeats itself up to its very end."""
        start = self._found(tokens)
        if not start:
            return []
        run = tokens[start : start + count]
        return (run * (count // len(run) + 1))[:count]

    def _found(self, tokens: list[int]) -> int:
        """Where what followed begins; 0: these three were never there before."""
        self._read(tokens)
        return self._follows.get(tuple(tokens[-_GRAM:]), 0)

    def _read(self, tokens: list[int]) -> None:
        """Note each three tokens that have a successor; only those that are new."""
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
