"""How parts of a GGUF are called: those of llama.cpp's own tool, and pieces of bytes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_PIECE = re.compile(
    r"(?P<whole>.+\.gguf)[.-]part-?(?P<number>\d{1,3})-?of-?(?P<count>\d{1,3})", re.IGNORECASE
)
_LETTER = re.compile(r"(?P<whole>.+\.gguf)-split-(?P<letter>[a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PartName:
    """One part: the path the whole would have, its number from 1, and how many there are.

    `count` is 0 where the name does not say. Pieces of bytes are put one after the other; llama.cpp
    merges shards, each of which is a GGUF with some of the tensors.
    """

    whole: str
    number: int
    count: int
    is_bytes: bool

    @property
    def group(self) -> tuple[str, int, bool]:
        """What is the same for all parts of one file."""
        return self.whole, self.count, self.is_bytes


def part_name(path: str) -> PartName | None:
    """What a path says of itself; None if it is no part of anything."""
    if found := _SHARD.fullmatch(path):
        whole = f"{found['stem']}.gguf"
        return PartName(whole, int(found["number"]), int(found["count"]), is_bytes=False)
    if found := _PIECE.fullmatch(path):
        return PartName(found["whole"], int(found["number"]), int(found["count"]), is_bytes=True)
    if found := _LETTER.fullmatch(path):
        number = ord(found["letter"].lower()) - ord("a") + 1
        return PartName(found["whole"], number, 0, is_bytes=True)
    return None


def are_whole(names: Sequence[PartName]) -> bool:
    """Whether nothing is missing between the first and the last of these parts, in this order."""
    count = names[0].count or max(2, len(names))
    return [name.number for name in names] == list(range(1, count + 1))
