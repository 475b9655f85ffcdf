"""What is installed for production has the hot path compiled; it does what the sources do."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gateway.compiled import compiled

ROOT = Path(__file__).parents[2]
TESTED = (
    "admission",
    "api/inference",
    "api/test_bodies.py",
    "api/test_completions.py",
    "api/test_extremes.py",
    "api/test_killed_engine.py",
    "api/test_odd_engines.py",
    "api/test_priority.py",
    "api/test_reading.py",
    "api/test_tenants.py",
    "transport/test_protocol.py",
    "routing",
    "metering",
    "gateway/test_lost_requests.py",
    "test_poison.py",
    "gateway/test_spread.py",
    "transport/test_deferred_write.py",
)
"""What calls the compiled modules, in its own process or in a gateway that it starts."""

LEFT_OUT = (
    # It asks every route but the compiled ones.
    "api/test_extremes.py::test_no_parameter_breaks_a_route",
    # Of the fleets of one, two and three workers, that of two has it all.
    "test_poison.py::test_one_of_eight_ends_two_engines_and_no_more[1",
    "test_poison.py::test_one_of_eight_ends_two_engines_and_no_more[3",
)
"""Beginnings of names: the compiled modules have no part in these, or the same part twice."""

ONCE = "not postgresql"
"""The compiled modules know no kind of database: of the tests on both, those on SQLite."""

FILES = """
from modelyard.serving.gateway import pipeline
from modelyard.serving.routing.policy import cost
print(pipeline.__file__, cost.__file__)
"""


@pytest.fixture
def installed(pytestconfig: pytest.Config) -> Path:
    """A folder with the wheel's modules, to be found before the checkout's.

    It is kept in pytest's cache until anything that the wheel is made of has changed.
    """
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("compiled")
    made = cache / _digest()
    if not made.exists():
        shutil.rmtree(cache)
        compiled(cache / "unfinished")
        (cache / "unfinished").rename(made)
    return made / "modules"


def _digest() -> str:
    """Of the interpreter, and of each file that the wheel is made of, with its place."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(_files()):
        digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    yield from (ROOT / "pyproject.toml", ROOT / "constraints.txt")
    for room in (ROOT / "src" / "modelyard").iterdir():  # links, which rglob would not follow
        files = room.rglob("*") if room.is_dir() else [room]
        yield from (f for f in files if f.is_file() and f.parent.name != "__pycache__")


@pytest.mark.slow(seconds=300)
@pytest.mark.timeout(1800)
def test_the_gateways_tests_pass_where_it_is_compiled(installed: Path, tmp_path: Path) -> None:
    """The same tests once more; whatever they start finds the compiled modules, too."""
    surroundings = {**os.environ, "PYTHONPATH": str(installed)}
    found = subprocess.check_output(
        [sys.executable, "-c", FILES], env=surroundings, cwd=tmp_path, text=True
    )
    assert found.count(".so") == 2
    options = ["-q", "-p", "no:cacheprovider", "-o", f"pythonpath={installed} {ROOT}", "-k", ONCE]
    options += [f"--deselect=tests/serving/{left_out}" for left_out in LEFT_OUT]
    run = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options, *(f"tests/serving/{t}" for t in TESTED)],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
