"""The report of a device is read by its fields, not by the names that they have in JSON."""

import ast

from modelyard.registry.fleet.report import DeviceReport
from tests.architecture.tree import name, parsed, sources

OWN = {"registry/fleet/report.py", "registry/fleet/device_facts.py"}


def by_key(tree: ast.Module) -> list[int]:
    """Lines that read a `device` of somebody like a dictionary: `x.device["…"]`, `.get`, `**`."""
    return sorted(
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.expr) and _reads(node)
    )


def _reads(node: ast.expr) -> bool:
    match node:
        case ast.Subscript(value=ast.Attribute(attr="device")):
            return True
        case ast.Attribute(value=ast.Attribute(attr="device"), attr=attr):
            return attr not in dir(DeviceReport) and attr in dir(dict)
        case ast.Dict(keys=keys, values=values):
            return any(
                key is None and isinstance(value, ast.Attribute) and value.attr == "device"
                for key, value in zip(keys, values, strict=True)
            )
        case _:
            return False


def test_no_report_is_read_by_string_keys() -> None:
    """A field that is renamed or gone is found by the type checker."""
    trees = {name(file): parsed(file) for file in sources()}
    assert {file: found for file, tree in trees.items() if (found := by_key(tree))} == {}


def test_a_report_that_is_read_by_keys_is_found() -> None:
    """In each of the ways that were in use."""
    ways = 'w.device["name"]\nw.device.get("name")\n{**w.device}\nw.device.name'
    assert by_key(ast.parse(ways)) == [1, 2, 3]
