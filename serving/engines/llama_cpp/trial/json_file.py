"""A small JSON document in a file, replaced atomically."""

import json
import os
from pathlib import Path
from typing import Any


def read_kept(file: Path) -> dict[str, Any]:
    """The document; empty if the file is missing or unreadable."""
    try:
        known: Any = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def keep(file: Path, document: dict[str, Any]) -> None:
    """Write the document; raises OSError if the folder is not writable."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.draft")
    draft.write_text(json.dumps(document, indent=1) + "\n")
    draft.replace(file)
