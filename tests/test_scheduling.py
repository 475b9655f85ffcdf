"""The order in which tests are handed to xdist's workers."""

import subprocess
import sys
from pathlib import Path

from tests.scheduling import shared_folder

ROOT = Path(__file__).parents[1]
CONFTEST = """
from tests.scheduling import longest_first

def pytest_collection_modifyitems(items):
    longest_first(items)
"""
QUICK = "def test_it(): pass"
MIXED = f"""
import pytest

def test_quick(): pass

@pytest.mark.slow(seconds={{seconds}})
{QUICK}
"""
SLOW = f"""
import pytest

@pytest.mark.slow
{QUICK}
"""


def test_files_come_whole_and_the_longest_first(tmp_path: Path) -> None:
    """By the largest number in a file; those without a mark stay in their order, at the end."""
    files = {
        "conftest.py": CONFTEST,
        "test_a.py": QUICK,
        "test_b.py": SLOW,
        "test_c.py": MIXED.format(seconds=100),
        "test_d.py": QUICK,
        "test_e.py": MIXED.format(seconds=300),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    listed = subprocess.check_output(
        [
            sys.executable,
            *("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"),
            *("-o", "markers=slow", "--rootdir", tmp_path, tmp_path),
        ],
        cwd=ROOT,
        text=True,
    )
    order = [line for line in listed.splitlines() if "::" in line]
    assert order == [
        "test_e.py::test_quick",
        "test_e.py::test_it",
        "test_c.py::test_quick",
        "test_c.py::test_it",
        "test_b.py::test_it",
        "test_a.py::test_it",
        "test_d.py::test_it",
    ]


def test_what_shares_an_installation_is_one_unit() -> None:
    """The files of tests/acceptance go to one worker together; others by themselves."""
    names = ("acceptance/test_doors.py", "acceptance/test_folder.py", "a/test_b.py")
    units = [shared_folder(f"tests/{name}::test_it[1]") for name in names]
    assert units == ["tests/acceptance/", "tests/acceptance/", ""]
