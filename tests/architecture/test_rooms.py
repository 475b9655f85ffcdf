"""Rooms stay small, a class name stands once, and everything is imported as one package."""

import ast
import re
from collections import Counter, defaultdict

import pytest

from tests.architecture.tree import ROOMS, ROOT, modules, name, parsed, sources

MOST_MODULES = 15
ARCHITECTURE = ROOT / "docs" / "architecture.md"
NAMED_FILE = re.compile(r"`((?:docs|src|tests|{rooms})/[\w/.-]+)`".format(rooms="|".join(ROOMS)))
PRIVATE_WORDS = {
    "Yard",
    "Lane",
    "Ticket",
    "Mover",
    "Move",
    "Recent",
    "Census",
    "Observed",
    "Warmth",
    "Shares",
    "Sharing",
    "Trail",
    "Counted",
    "Spread",
    "Parts",
    "Door",
    "Observe",
    "Leaving",
    "Ask",
    "Wanted",
    "Used",
    "Room",
    "Keeper",
    "Line",
    "Pace",
    "Harvest",
    "Post",
    "Letter",
    "Errands",
    "Drawer",
    "Visible",
    "Guess",
    "Hope",
    "Surprise",
    "Order",
}


def classes(tree: ast.Module) -> list[str]:
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def imported(tree: ast.Module) -> set[str]:
    """The top-level packages that a module imports, wherever in it."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_no_folder_has_more_than_15_modules() -> None:
    """A folder can be read at one look; a larger one is several rooms."""
    count = Counter(name(file.parent) for file in modules() if file.name != "__init__.py")
    assert {folder: n for folder, n in count.items() if n > MOST_MODULES} == {}


def test_no_class_name_stands_twice() -> None:
    """Whoever reads or searches a name finds one thing."""
    places = defaultdict[str, list[str]](list)
    for file in modules():
        for one in classes(parsed(file)):
            places[one].append(name(file))
    assert {one: files for one, files in places.items() if len(files) > 1} == {}


def test_no_class_has_a_word_that_the_field_does_not_know() -> None:
    """What these were called until November 2026 could be understood with a glossary only."""
    found = {one for file in modules() for one in classes(parsed(file))}
    assert found & PRIVATE_WORDS == set()


def test_everything_is_imported_as_modelyard() -> None:
    """By its bare name, a folder of the repository would be loaded a second time."""
    trees = {name(file): parsed(file) for file in modules()}
    wrong = {file: bare for file, tree in trees.items() if (bare := imported(tree) & {*ROOMS})}
    assert wrong == {}


@pytest.mark.parametrize("source", ["import serving.asgi", "def f():\n    from flows import cli"])
def test_a_bare_import_is_found(source: str) -> None:
    """Also inside a function."""
    assert imported(ast.parse(source)) & {*ROOMS}


def test_the_package_holds_each_room() -> None:
    """`src/modelyard` links to every folder by a relative path, and holds nothing else."""
    package = ROOT / "src" / "modelyard"
    links = {file.name: str(file.readlink()) for file in package.iterdir() if file.is_symlink()}
    assert links == {room: f"../../{room}" for room in ROOMS}


def test_every_module_lies_in_a_package() -> None:
    """Else its tests could not be found, nor its contracts be checked."""
    bare = {name(f.parent) for f in sources() if not (f.parent / "__init__.py").is_file()}
    assert bare == set()


def test_the_architecture_page_names_files_that_are_there() -> None:
    """Each file and folder in backticks, and there are many."""
    named = set(NAMED_FILE.findall(ARCHITECTURE.read_text()))
    assert len(named) > 50
    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []
