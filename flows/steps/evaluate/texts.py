"""The small text set for evaluating models that read: texts with a similar and an unlike one."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FILE = "reading_texts.txt"


@dataclass(frozen=True, slots=True)
class Triple:
    """A text, a paraphrase of it, and a text about something else."""

    text: str
    similar: str
    unlike: str


@cache
def triples() -> tuple[Triple, ...]:
    """The bundled triples, stored as blocks of three lines."""
    whole = (files("modelyard.flows.steps.evaluate") / _FILE).read_text(encoding="utf-8")
    return tuple(Triple(*block.splitlines()) for block in whole.strip().split("\n\n"))


def pieces(text: str, length: int = 400) -> list[str]:
    """Split a text into pieces of about `length` characters at word boundaries."""
    found = list[str]()
    start = 0
    while start < len(text):
        end = min(len(text), start + length)
        cut = text.rfind(" ", start, end) if end < len(text) else end
        end = cut if cut > start else end
        found.append(text[start:end].strip())
        start = end
    return [piece for piece in found if piece]
