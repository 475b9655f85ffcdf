"""Python processes of ours never import from the folder that they happen to stand in."""

import ast
from collections.abc import Iterator

from tests.architecture.tree import name, parsed, sources

SAFE = {"-P", "-I"}


def unsafe_starts(tree: ast.Module) -> Iterator[int]:
    """Lines of sequences that begin with `sys.executable` and do not go on with a safe option."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.List | ast.Tuple):
            continue
        words = [ast.unparse(item) for item in node.elts[:2]]
        if words[:1] == ["sys.executable"] and not {w.strip("'") for w in words[1:]} & SAFE:
            yield node.lineno


def test_every_python_is_started_without_the_working_folder() -> None:
    """`python -m` would import it first: whose folder it is would decide what runs."""
    trees = {name(file): parsed(file) for file in sources()}
    assert {file: lines for file, tree in trees.items() if (lines := [*unsafe_starts(tree)])} == {}
    uses = [file for file, tree in trees.items() if "sys.executable" in ast.unparse(tree)]
    assert "registry/process/python.py" in uses


def test_an_unsafe_start_is_found() -> None:
    """The detector sees lists and tuples, and lets safe ones pass."""
    source = '[sys.executable, "-m", "a"]\n(sys.executable, *more)\n[sys.executable, "-I", "-c"]\n'
    assert [*unsafe_starts(ast.parse(source))] == [1, 2]
