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
    "transport/test_protocol.py",
    "routing",
    "metering",
    "gateway/test_lost_requests.py",
    "test_poison.py",
    "gateway/test_spread.py",
    "transport/test_deferred_write.py",
)
FILES = """
from modelyard.serving.gateway import pipeline
from modelyard.serving.routing.policy import cost
print(pipeline.__file__, cost.__file__)
"""


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
