"""Programs that tests and benchmarks hand to children as text import what is there."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import modules, name, parsed

IMPORTED = re.compile(
    r"^\s*from ((?:modelyard|benchmarks|tests)[\w.]*) import ([\w, ]+)$", re.MULTILINE
)


def imports_in_texts(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each import that stands in a string of a file."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for module, names in IMPORTED.findall(node.value):
                for imported in names.split(","):
                    yield module, imported.split(" as ")[0].strip()


def is_there(module: str, imported: str) -> bool:
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    if hasattr(found, imported):
        return True
    try:
        importlib.import_module(f"{module}.{imported}")
    except ModuleNotFoundError:
        return False
    return True


def test_programs_given_as_text_import_what_is_there() -> None:
    """No checker of types reads them, and a benchmark's are run by hand only."""
    texts = [
        (name(file), module, imported)
        for file in modules()
        for module, imported in imports_in_texts(file)
    ]
    assert len(texts) > 10
    assert [text for text in texts if not is_there(*text[1:])] == []
