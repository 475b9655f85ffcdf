"""The files that the rules of this folder are about."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("dashboard", "deployments", "flows", "registry", "serving")
MIGRATIONS = ROOT / "registry" / "migrations"


def sources() -> list[Path]:
    """Every module of the rooms; migrations have alembic's own form."""
    found = (file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    return sorted(file for file in found if MIGRATIONS not in file.parents)


def repository() -> list[Path]:
    """Every file that is in the repository, or would be with the next `git add`."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [file for file in files if file.is_file()]


def modules() -> list[Path]:
    """Every module of the repository: the product, its tests and its benchmarks."""
    return [file for file in repository() if file.suffix == ".py" and not file.is_symlink()]


@cache
def parsed(file: Path) -> ast.Module:
    """Each file is read once for all rules, so none of them may change what it is given."""
    return ast.parse(file.read_text())


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))
