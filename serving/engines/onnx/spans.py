"""Combines token labels into labelled spans of the text, word by word."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.engines.encoder import LabelledSpan
from modelyard.serving.engines.onnx.tokens import EncodedText

OUTSIDE = "O"


@dataclass(slots=True)
class _Open:
    """A span being built."""

    label: str
    start: int
    end: int
    scores: list[float] = field(default_factory=list[float])

    def close(self) -> LabelledSpan:
        return LabelledSpan(self.label, sum(self.scores) / len(self.scores), self.start, self.end)


def spans(tokens: EncodedText, likely: Any, labels: Sequence[str]) -> list[LabelledSpan]:
    """The labelled spans; a word has its first token's label, and equal neighbours are merged.

    `likely` are the label probabilities of each token; `B-` starts a new span, `I-` continues one.
    """
    found: list[_Open] = []
    for first, start, end in _words(tokens.encoding):
        best = int(likely[first].argmax())
        score = float(likely[first][best])
        (begins, label) = _parts(labels[best])
        if found and found[-1].label == label and not begins:
            found[-1].end = end
            found[-1].scores.append(score)
        else:
            found.append(_Open(label, start, end, [score]))
    return [span.close() for span in found if span.label != OUTSIDE]


def _parts(label: str) -> tuple[bool, str]:
    mark, _, kind = label.partition("-")
    return (mark == "B", kind) if mark in ("B", "I") and kind else (False, label)


def _words(encoding: Any) -> list[tuple[int, int, int]]:
    """Each word's first token index, and its start and end characters."""
    words: list[tuple[int, int, int]] = []
    before: int | None = None
    for index, (word, (start, end)) in enumerate(
        zip(encoding.word_ids, encoding.offsets, strict=True)
    ):
        if word is not None and word == before:
            words[-1] = (words[-1][0], words[-1][1], end)
        elif word is not None:
            words.append((index, start, end))
        before = word
    return words
