"""What is installed at run time is used."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.architecture.tree import ROOMS, ROOT, parsed, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNSEEN = {
    "nvidia-ml-py": "not installed for development where there is no GPU",
    "onnxruntime-gpu": "never beside onnxruntime, whose module it has",
    "psycopg": "SQLAlchemy imports it for the database's URL",
    "tensorrt": "installed only where its GPU is",
    "websockets": "uvicorn's WebSocket connections are made of it",
    "uvloop": "uvicorn takes it where it is installed",
}
"""Distributions that the imports below do not show, and why."""


def declared() -> set[str]:
    """Names of the distributions that pyproject.toml asks for, those of `dev` aside."""
    extras = PROJECT["optional-dependencies"]
    lists = [PROJECT["dependencies"], *(extras[name] for name in extras if name != "dev")]
    return {_plain(requirement) for requirements in lists for requirement in requirements}


def imported() -> set[str]:
    """Names of the distributions whose modules the product imports anywhere."""
    modules = set[str]()
    for file in sources():
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(str(node.module))
    tops = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - set(ROOMS)
    found = packages_distributions()
    return {_plain(name) for top in tops for name in found.get(top, ())}


def _plain(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def test_every_dependency_is_imported() -> None:
    """What nothing imports is only more to download, to update and to trust."""
    assert declared() - imported() - set(UNSEEN) == set()
