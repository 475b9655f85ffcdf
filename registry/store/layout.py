"""The path of a file below a store's root, for code that only reads."""

import re
from pathlib import Path

from modelyard.registry.errors import InvalidName

_SHA256 = re.compile(r"[0-9a-f]{64}")


def object_path(root: Path, sha256: str) -> Path:
    """The path of a finished file, which may not exist; raises InvalidName for an invalid hash."""
    if not _SHA256.fullmatch(sha256):
        raise InvalidName(f"'{sha256[:80]}' is not a sha256 in lower-case hex.")
    return root / "objects" / sha256[:2] / sha256
