"""Limits how long a stretch of text without a word break may be.

llama.cpp splits a text into words before BPE. For a third of its pre-tokenizers it uses regular
expressions that recurse once per character of a word, so finding a word takes stack memory: 320
bytes per character. The patterns here match approximately what may be one word: the check only
needs to find stretches that are far too long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.serving.errors import UnbrokenText

LONGEST = 128 * 1024
"""Characters without a break: 40 MiB of stack, and longer than anything people write."""

_PUNCTUATION = r"!-/:-@\[-`{-~\u2000-\u206f\u3000-\u303f\uff00-\uff20"
_LETTERS = rf"[^\s\d{_PUNCTUATION}]++"
_USUAL = (_LETTERS, r"(?:[^\w\s]++|_++)++", r"\d++", r"\s++")

_NO_SPACES = (r"\S++", r"\s++")
_KINDS: dict[str, tuple[str, ...]] = {
    "bloom": _NO_SPACES,
    "gpt3-finnish": _NO_SPACES,
    "poro-chat": _NO_SPACES,
    "viking": _NO_SPACES,
    "whitespace": _NO_SPACES,
    "exaone-moe": (rf"[^\t\r\n\d{_PUNCTUATION}]++", *_USUAL[1:]),
}
"""Pre-tokenizers whose words may mix letters, digits, marks or spaces."""

_SLOW = {"superbpe": ((r"\d++", 2000),)}
"""Pre-tokenizers that take quadratic time on such a stretch, with the stretch's limit."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Patterns of what may be one word, each with its maximum length in characters."""

    kinds: tuple[tuple[re.Pattern[str], int], ...]

    @classmethod
    def of(cls, pre: str) -> "Runs":
        """The patterns for the pre-tokenizer with this llama.cpp name."""
        usual = tuple((pattern, LONGEST) for pattern in _KINDS.get(pre, _USUAL))
        return cls(tuple((re.compile(p), most) for p, most in (*usual, *_SLOW.get(pre, ()))))

    def check(self, text: str, param: str | None = None) -> None:
        """Raises UnbrokenText if a stretch is too long."""
        for pattern, most in self.kinds:
            for length in _lengths(text, pattern, most // 2):
                if length > most:
                    raise UnbrokenText(
                        f"A text has {length} characters in a row without a place where a word"
                        f" could end; this model's tokenizer takes {most}.",
                        param=param,
                        fix="Break it by spaces, or by characters of another kind.",
                    )


def _lengths(text: str, pattern: re.Pattern[str], step: int) -> Iterator[int]:
    """The lengths of all stretches of at least two steps: each fills at least one whole step."""
    for start in range(0, len(text) - step + 1, step):
        if pattern.fullmatch(text, start, start + step):
            after = pattern.match(text, start)
            before = pattern.match(text[max(0, start - step) : start][::-1])
            yield (after.end() - start if after else 0) + (before.end() if before else 0)
