"""How Python processes of ours are started: none imports from the folder that it stands in."""

import os
import sys


def python_module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a module, run by this interpreter."""
    return (sys.executable, "-P", "-m", name, *arguments)


def keep_children_safe() -> None:
    """The same for every Python that this process starts from now on, and that those start.

    Libraries start some by themselves: Prefect its flow runs, multiprocessing its helpers.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
