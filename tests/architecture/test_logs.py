"""Whoever logs does so in our form, and whoever serves does so within our bounds."""

import ast
from pathlib import Path

from tests.architecture.tree import name, parsed, sources


def imported(file: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found = set[str]()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def users(module: str) -> set[str]:
    return {name(file) for file in sources() if module in imported(file)}


def test_loggers_are_made_in_one_place() -> None:
    """By default structlog writes every local variable; a logger of `registry/logs` none."""
    assert users("structlog") == {"registry/logs/logger.py"}
    assert users("logging") == {"registry/logs/set_up.py"}


def test_servers_are_set_up_in_one_place() -> None:
    """By default neither heads nor times have bounds.

    The demo's Hub is on loopback alone; Prefect's pages need WebSockets, which ours have not.
    """
    made = {
        name(file)
        for file in sources()
        if imported(file) & {"uvicorn", "uvicorn.Config"}
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"uvicorn.Config", "Config"}
    }
    assert made == {
        "serving/transport/listening/serve.py",
        "deployments/demo/hub.py",
        "flows/prefect/server.py",
    }
