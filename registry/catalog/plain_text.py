"""Makes text from outside harmless where it comes in: no terminal commands, no length without end.

What is kept is what a person reads on one line. Escape sequences, which can write to a terminal's
clipboard, and marks that turn the direction of writing round are left out.
"""

import re
import unicodedata

_SEQUENCES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|\Z)"  # strings: OSC, DCS, …
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_KEPT_MARKS = frozenset("\u200c\u200d")
"""Joiners, which words of some languages and many emoji need."""
_LEFT_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def plain_line(text: str, longest: int) -> str:
    """One line of at most `longest` characters, with its white space as single spaces."""
    visible = _without_commands(text[: 16 * longest], "")
    return " ".join(visible.split())[:longest].rstrip()


def plain_text(text: str, longest: int) -> str:
    """The same for a text of many lines, which keeps its line breaks and tabs."""
    return _without_commands(text[:longest], "\n\t")


def _without_commands(text: str, kept: str) -> str:
    allowed = _KEPT_MARKS.union(kept)
    lines = _SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        letter
        if letter in allowed or unicodedata.category(letter) not in _LEFT_OUT
        else (" " if letter.isspace() else "")
        for letter in lines
    )
