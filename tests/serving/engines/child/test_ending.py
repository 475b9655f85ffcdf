"""How a process ended is told by its name, with what lies behind it and what to do."""

import signal
import subprocess
import sys

import pytest

from modelyard.serving.engines.child.ending import ending


@pytest.mark.parametrize(
    ("number", "cause", "fix"),
    [
        (signal.SIGILL, "instruction", "modelyard doctor"),
        (signal.SIGSEGV, "memory that is not its own", "modelyard doctor"),
        (signal.SIGBUS, "disk is full", "free space"),
        (signal.SIGABRT, "last words", "memory"),
        (signal.SIGKILL, "memory ran out", "dmesg"),
    ],
)
def test_a_signal_has_its_name_its_cause_and_a_way_out(number: int, cause: str, fix: str) -> None:
    """As subprocess itself tells the end of a process that had the signal."""
    suicide = [sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(number)})"]
    ended = ending(subprocess.run(suicide, check=False).returncode)
    assert ended.how == f"was ended by {signal.Signals(number).name}"
    assert cause in ended.cause
    assert fix in ended.fix
    assert str(ended) == f"{ended.how} ({ended.cause})"


def test_every_end_can_be_told() -> None:
    """Signals without a name of their own, and codes, whose reason is in the last words."""
    for number in range(1, signal.NSIG):
        assert "was ended by" in str(ending(-number))
    assert str(ending(7)) == "ended with code 7"
