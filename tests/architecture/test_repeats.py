"""No passage of the source is written twice."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.architecture.tree import name, sources

LONG = 12
"""Consecutive significant lines from which on a likeness is no accident."""


def significant(text: str) -> list[tuple[int, str]]:
    """The lines, with numbers, that say something: no blanks, comments, imports or brackets."""
    imports = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [
        (number, line)
        for number, line in lines
        if number not in imports and not line.startswith("#") and any(c.isalnum() for c in line)
    ]


def repeats(texts: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The places, as name:line, of every passage of LONG lines that stands in more than one."""
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for title, text in texts:
        lines = significant(text)
        for start in range(len(lines) - LONG + 1):
            window = lines[start : start + LONG]
            places[tuple(line for _, line in window)].append(f"{title}:{window[0][0]}")
    return [where for where in places.values() if len(where) > 1]


def read(files: Iterable[Path]) -> list[tuple[str, str]]:
    return [(name(file), file.read_text()) for file in files]


def test_no_passage_is_written_twice() -> None:
    """What two places need has one place of its own."""
    assert repeats(read(sources())) == []


def test_a_copied_passage_is_found() -> None:
    """The detector sees a copy through other indentation, blank lines and comments."""
    passage = [f"x{number} = {number}" for number in range(LONG)]
    one = "\n".join(["import os", *passage])
    other = "def f():\n" + "\n\n".join(f"    {line}" for line in ["# why", *passage])
    assert repeats([("one", one), ("other", other)]) == [["one:2", "other:4"]]


def test_eleven_alike_lines_are_let_pass() -> None:
    """Short likenesses are accidents, and names for them would be worse than they are."""
    passage = "\n".join(f"x{number} = {number}" for number in range(LONG - 1))
    assert repeats([("one", passage), ("other", passage)]) == []
