"""Many constants as GBNF, told apart letter by letter.

As a plain list each would be followed for itself, which takes a thousand times as long for a
thousand.
"""

import json
from collections.abc import Iterable
from itertools import groupby, takewhile
from typing import Any

from modelyard.serving.engines.json_grammar import words

_FEW = 8
_DEEP = 24


def constants(values: Iterable[Any]) -> str:
    """A GBNF expression for one of these values as compact JSON."""
    texts = [json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in values]
    if len(texts) <= _FEW:
        return " | ".join(map(words.text, texts))
    return _told_apart(sorted(set(texts)), 0)


def _told_apart(texts: list[str], depth: int) -> str:
    """Alternatives of sorted texts, grouped by their first letter and what follows it in all."""
    if depth > _DEEP:
        return " | ".join(map(words.text, texts))
    branches = list[str]()
    for _, alike in groupby(texts, key=lambda text: text[:1]):
        group = list(alike)
        start = _shared(group[0], group[-1])
        if len(group) == 1:
            branches.append(words.text(group[0]))
        else:
            rest = _told_apart([text[len(start) :] for text in group], depth + 1)
            branches.append(f"{words.text(start)} ({rest})")
    return " | ".join(branches)


def _shared(first: str, last: str) -> str:
    """What both begin with; of sorted texts all between them begin with it too."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in pairs)
