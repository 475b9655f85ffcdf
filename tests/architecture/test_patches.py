"""What a test needs otherwise it gives to a constructor; no constant of a module is exchanged."""

import ast

from tests.architecture.tree import ROOT, modules, name, parsed


def patches(tree: ast.Module) -> list[int]:
    """Lines that set something by its dotted name in our package, or an upper-case name anywhere.

    Module constants are upper-case; `unittest.mock` would be another way to the same.
    """
    return sorted(n.lineno for n in ast.walk(tree) if isinstance(n, ast.expr) and _patches(n)) + [
        n.lineno
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom | ast.Import) and "mock" in ast.unparse(n).split()
    ]


def _patches(node: ast.expr) -> bool:
    match node:
        case ast.Call(
            func=ast.Attribute(attr="setattr") | ast.Name(id="setattr"),
            args=[where, *rest],
        ):
            names = [one.value for one in (where, *rest[:1]) if isinstance(one, ast.Constant)]
            return any(_is_ours(name) for name in names)
        case _:
            return False


def _is_ours(name: object) -> bool:
    return isinstance(name, str) and (name.startswith("modelyard.") or name.isupper())


def test_no_test_exchanges_a_constant() -> None:
    """A constant that two tests exchange at once, or that was read before, is not what it seems."""
    files = [file for file in modules() if ROOT / "tests" in file.parents]
    trees = {name(file): parsed(file) for file in files}
    assert {file: found for file, tree in trees.items() if (found := patches(tree))} == {}


def test_an_exchange_is_found_however_it_is_written() -> None:
    """By the module, by its dotted name, and by a mock; another object's attribute is not."""
    written = (
        'monkeypatch.setattr(leases, "REFRESH_S", 1)\n'
        'patched.setattr("modelyard.registry.store.leases.REFRESH_S", 1)\n'
        'setattr(leases, "REFRESH_S", 1)\n'
        "from unittest import mock\n"
        'monkeypatch.setattr(sys, "stderr", full)\n'
    )
    assert patches(ast.parse(written)) == [1, 2, 3, 4]
