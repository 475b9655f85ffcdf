"""What mypyc compiles keeps to what it compiles rightly (docs/decisions/0015)."""

import ast
import tomllib
from collections.abc import Iterator

from tests.architecture.tree import ROOT, parsed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPILED = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]


def awaits_in_handlers(tree: ast.Module) -> Iterator[int]:
    """Lines that wait for something while an exception is on its way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            for part in (*node.handlers, *node.finalbody):
                found = (n for n in ast.walk(part) if isinstance(n, ast.Await))
                yield from (n.lineno for n in found)


def class_keywords(tree: ast.Module) -> Iterator[int]:
    """Lines of classes that hand keywords to their base or metaclass, as msgspec's do."""
    return (n.lineno for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.keywords)


def test_nothing_is_awaited_while_an_exception_is_on_its_way() -> None:
    """Compiled, it comes out again in the next request that is cancelled or not."""
    trees = {file: parsed(ROOT / file) for file in COMPILED}
    wrong = {file: lines for file, tree in trees.items() if (lines := [*awaits_in_handlers(tree)])}
    assert wrong == {}


def test_classes_take_no_keywords() -> None:
    """Compiled, `frozen=True` and its like are lost without a word."""
    trees = {file: parsed(ROOT / file) for file in COMPILED}
    wrong = {file: lines for file, tree in trees.items() if (lines := [*class_keywords(tree)])}
    assert wrong == {}
