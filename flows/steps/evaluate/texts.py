"""The little text set that models which read are tried on: texts, one like each, one unlike it."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FILE = "reading_texts.txt"


@dataclass(frozen=True, slots=True)
class Triple:
    """A text, one that says the same in other words, and one about something else."""

    text: str
    similar: str
    unlike: str


@cache
def triples() -> tuple[Triple, ...]:
    """As they are bundled: blocks of three lines."""
    whole = (files("modelyard.flows.steps.evaluate") / _FILE).read_text(encoding="utf-8")
    return tuple(Triple(*block.splitlines()) for block in whole.strip().split("\n\n"))


def pieces(text: str, length: int = 400) -> list[str]:
    """A long text in pieces of about `length` characters, whole words each."""
    found = list[str]()
    start = 0
    while start < len(text):
        end = min(len(text), start + length)
        cut = text.rfind(" ", start, end) if end < len(text) else end
        end = cut if cut > start else end
        found.append(text[start:end].strip())
        start = end
    return [piece for piece in found if piece]
