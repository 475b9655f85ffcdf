"""The access log: a JSON line for each request, written in batches."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from modelyard.registry.billing.usage import UsageRecord

STDOUT = "-"
_encode = msgspec.json.Encoder().encode_lines


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Appends to a file, or to standard output where it is `-`; the file may be moved away.

    A new one is its user's alone; one that was made for it stays as it is.
    """

    target: str

    def write(self, rows: Sequence[UsageRecord]) -> None:
        """All lines at once; blocking."""
        lines = _encode(rows)
        if self.target == STDOUT:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        elif self.target:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self.target, flags, 0o600), "wb") as file:
                file.write(lines)
