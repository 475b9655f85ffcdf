"""A small document of JSON in a file, which is whole or not there."""

import json
import os
from pathlib import Path
from typing import Any


def read_kept(file: Path) -> dict[str, Any]:
    """What is kept; empty where nothing is, or nothing that can be read."""
    try:
        known: Any = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def keep(file: Path, document: dict[str, Any]) -> None:
    """Raises OSError where the folder cannot be written."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.draft")
    draft.write_text(json.dumps(document, indent=1) + "\n")
    draft.replace(file)
