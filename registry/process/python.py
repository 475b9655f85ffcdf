"""Starts Python processes that do not import from their working directory."""

import os
import sys


def python_module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a module with this interpreter."""
    return (sys.executable, "-P", "-m", name, *arguments)


def keep_children_safe() -> None:
    """Apply the same to every Python process started from here on, and to their children.

    Libraries start some themselves: Prefect its flow runs, multiprocessing its helpers.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
