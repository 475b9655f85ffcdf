"""A room of the registry is opened on the database; nobody takes it out of another room."""

import ast

from tests.architecture.tree import name, parsed, sources

HOLDERS = {"self", "context"}
"""An object's own, and the flows' context, which is there to hold it."""


def taken(tree: ast.Module) -> list[int]:
    """Lines that take the `db` of another object."""
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "db")
    return sorted(n.lineno for n in found if ast.unparse(n.value) not in HOLDERS)


def test_no_room_takes_the_database_of_another() -> None:
    """What a caller needs of it is a room, or a method, with a name."""
    trees = {name(file): parsed(file) for file in sources()}
    assert {file: found for file, tree in trees.items() if (found := taken(tree))} == {}


def test_a_database_that_is_taken_is_found() -> None:
    """Of a variable, and of an object's part; its own is not."""
    assert taken(ast.parse("fleet.db\nself.fleet.db\nself.db")) == [1, 2]
