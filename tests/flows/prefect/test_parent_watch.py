"""A temporary server outlives its command in no case."""

import subprocess
import sys

import pytest

_CHILD = """
import os, signal, sys, threading
from modelyard.flows.prefect.parent_watch import end_with
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
end_with(os.getppid() + 1, grace_s=0.1, look_every_s=0.05)
threading.Event().wait(60)
"""


@pytest.mark.parametrize(("manner", "code"), [("hearing", -15), ("deaf", 1)])
def test_without_its_parent_it_ends(manner: str, code: int) -> None:
    """Where the parent died before it could ask the kernel, and where SIGTERM is not heeded."""
    argv = [sys.executable, "-c", _CHILD, manner]
    assert subprocess.run(argv, timeout=50, check=False).returncode == code
