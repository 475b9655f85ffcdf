"""Splits a text at special tokens where the split cannot change the tokenization.

llama.cpp finds special tokens itself, but its time grows with the square of their number and cannot
be interrupted. It takes the longest token first, wherever it stands, and tokenizes the text between
separately. So a special token that no other of its length or longer can overlap is always found
where its name stands, and the text on either side is tokenized independently.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import llama_cpp as lib

_STRIPS = lib.LLAMA_TOKEN_ATTR_LSTRIP | lib.LLAMA_TOKEN_ATTR_RSTRIP
_SPECIAL = (
    lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED | lib.LLAMA_TOKEN_ATTR_UNKNOWN
)
_LONG = 100
_MANY = 20_000
"""Names longer than _LONG bytes are never split points; no name is in models with over _MANY."""

_Trie = dict[str, "_Trie"]


@dataclass(frozen=True, slots=True)
class Specials:
    """The special tokens at which a text may be split, by name."""

    names: dict[str, int]
    pattern: re.Pattern[str] | None
    others: re.Pattern[str] | None

    @classmethod
    def of(cls, vocab: Any) -> "Specials":
        """The split tokens of the llama.cpp vocabulary `vocab`."""
        found = dict[bytes, int]()
        unsure = set[bytes]()
        for token in range(lib.llama_vocab_n_tokens(vocab)):
            kind = lib.llama_vocab_get_attr(vocab, token)
            if kind & _SPECIAL:
                name: bytes = lib.llama_vocab_get_text(vocab, token)
                if kind & _STRIPS:
                    unsure.add(name)
                found[name] = token
        texts = {name.decode(): name for name in found if _is_text(name) and len(name) <= _LONG}
        sure = {*clear(found)} - unsure if len(found) <= _MANY else set[bytes]()
        names = {text: found[name] for text, name in texts.items() if name in sure}
        return cls(names, _pattern(names), _pattern(texts.keys() - names))

    def left(self, text: str) -> int:
        """Approximate number of special tokens in a text that are not split points."""
        return sum(1 for _ in self.others.finditer(text)) if self.others else 0

    def cut(self, text: str) -> Iterator[str | int]:
        """Yield the special tokens found and the texts between them, in order."""
        begin = 0
        for match in self.pattern.finditer(text) if self.pattern else ():
            if match.start() > begin:
                yield text[begin : match.start()]
            yield self.names[match.group()]
            begin = match.end()
        if begin < len(text):
            yield text[begin:]


def clear(names: Iterable[bytes]) -> Iterator[bytes]:
    """Names that no other name of equal or greater length contains or overlaps.

    They also cannot overlap themselves, and have no leading or trailing space that a neighbour
    could strip.
    """
    known = [name for name in names if name]
    everything = b"\0".join(known)
    heads = dict[bytes, int]()
    tails = dict[bytes, int]()
    for name in known:
        for cut in range(1, min(len(name), _LONG)):
            head = name[:cut]
            tail = name[-cut:]
            heads[head] = max(len(name), heads.get(head, 0))
            tails[tail] = max(len(name), tails.get(tail, 0))
    for name in known:
        size = len(name)
        overlaps = any(
            heads.get(name[-cut:], 0) >= size or tails.get(name[:cut], 0) >= size
            for cut in range(1, size)
        )
        if not overlaps and name == name.strip() and everything.count(name) == 1:
            yield name


def _is_text(name: bytes) -> bool:
    try:
        return bool(name.decode())
    except UnicodeDecodeError:
        return False


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """A regex that finds the longest name as a trie: each character is tried once."""
    trie: _Trie = {}
    for name in names:
        node = trie
        for character in name:
            node = node.setdefault(character, {})
        node[""] = {}
    return re.compile(_written(trie)) if trie else None


def _written(trie: _Trie) -> str:
    rest = [re.escape(character) + _written(node) for character, node in trie.items() if character]
    if len(rest) == 1 and "" not in trie:
        return rest[0]
    return f"(?:{'|'.join(rest)})" + "?" * ("" in trie) if rest else ""
