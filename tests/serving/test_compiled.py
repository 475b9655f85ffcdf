"""What is installed for production has the hot path compiled; it does what the sources do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gateway.compiled import compiled

ROOT = Path(__file__).parents[2]
TESTED = (
    "admission",
    "api",
    "cli/test_joining.py",
    "routing",
    "usage",
    "test_lost_requests.py",
    "test_poison.py",
    "test_spread.py",
    "test_writing.py",
)
FILES = "import serving.gateway as a, serving.routing.cost as b; print(a.__file__, b.__file__)"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the wheel's modules, to be found before the checkout's."""
    return compiled(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_gateways_tests_pass_where_it_is_compiled(installed: Path, tmp_path: Path) -> None:
    """The same tests once more; whatever they start finds the compiled modules, too."""
    surroundings = {**os.environ, "PYTHONPATH": str(installed)}
    found = subprocess.check_output(
        [sys.executable, "-c", FILES], env=surroundings, cwd=tmp_path, text=True
    )
    assert found.count(".so") == 2
    options = ["-q", "-p", "no:cacheprovider", "-o", f"pythonpath={installed} {ROOT}"]
    run = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options, *(f"tests/serving/{t}" for t in TESTED)],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
