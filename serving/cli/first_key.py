"""Hands over the first admin's key: to the person at the terminal, else in a file, never a log."""

import os
from pathlib import Path

from modelyard.registry.console import err

FILE = "admin.key"


def hand_over(key: str, data_dir: Path) -> None:
    """Show the key once; where nobody looks, keep it in the data folder for whoever may read it."""
    if err.is_terminal:
        err.print("First start: the admin's key, shown this once:")
        err.print(key, highlight=False, soft_wrap=True)
        return
    file = data_dir / FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(key + "\n")
    err.print(
        f"First start: the admin's key is in {file}. Take it from there, and remove the file.",
        highlight=False,
        soft_wrap=True,
    )


def say_how_to_get_another(admin: str = "NAME") -> None:
    """For later starts, at which no lasting key is shown any more."""
    err.print(
        f"A lasting key was handed over at the first start; another: modelyard keys create {admin}",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )
