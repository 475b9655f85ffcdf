"""Files and functions stay short, and every module says in one sentence what it is for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import modules, name, parsed, sources

FILE_LINES = 300
FUNCTION_LINES = 40
NO_CONCEPT = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
NEXT_SENTENCE = re.compile(r"[.!?]\s+[A-Z]")


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of every function, from its `def` to its end."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def unrelated_at(file: Path) -> Iterator[int]:
    """Lines on which several values are assigned at once that do not exchange places."""
    for node in ast.walk(parsed(file)):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                read = {ast.unparse(part) for value in values for part in ast.walk(value)}
                if read.isdisjoint(ast.unparse(name) for name in names):
                    yield node.lineno
            case _:
                pass


def is_one_sentence(docstring: str) -> bool:
    """Whether the opening paragraph is a single sentence that ends as one."""
    opening = docstring.split("\n\n", maxsplit=1)[0].strip()
    return opening.endswith((".", "?")) and not NEXT_SENTENCE.search(opening)


def test_no_file_has_more_than_300_lines() -> None:
    """A file holds one concept: a long one holds several."""
    lengths = {name(file): len(file.read_text().splitlines()) for file in sources()}
    assert {file: lines for file, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_has_more_than_40_lines() -> None:
    """A function can be read at one look."""
    long = {
        f"{name(file)}:{function}": lines
        for file in sources()
        for function, lines in functions(file)
        if lines > FUNCTION_LINES
    }
    assert long == {}


def test_values_that_do_not_exchange_places_are_assigned_one_by_one() -> None:
    """A line says one thing: `a, b = b, a` is one, `a, b = 1, 2` are two."""
    found = {name(file): list(unrelated_at(file)) for file in modules()}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_every_module_opens_with_one_sentence() -> None:
    """The first line of a module says its job, in one sentence."""
    openings = {name(file): ast.get_docstring(parsed(file)) for file in sources()}
    wrong = {file: text for file, text in openings.items() if not is_one_sentence(text or "")}
    assert wrong == {}


def test_no_module_is_a_drawer_for_anything() -> None:
    """A module is named for its concept; these names stand for none."""
    assert [name(file) for file in sources() if file.stem in NO_CONCEPT] == []


def test_the_rules_see_the_tree() -> None:
    """An empty list of sources would let every rule pass."""
    assert {name(file).split("/")[0] for file in sources()} == {
        "dashboard",
        "deployments",
        "flows",
        "registry",
        "serving",
    }
