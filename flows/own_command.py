"""Runs one of our own commands in a process of its own, which ends with this one."""

import subprocess

from modelyard.registry.process.python import python_module
from modelyard.serving.parent_death import die_with_parent


def run_command(*words: str) -> tuple[int, str]:
    """The exit code, and why it failed, if it did: the end of what it said of that."""
    done = subprocess.run(
        python_module("modelyard.serving.cli.main", *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=die_with_parent,
    )
    return done.returncode, " ".join(done.stderr.split())[-500:] if done.returncode else ""
