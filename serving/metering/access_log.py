"""The access log: one JSON line for each request, written in batches."""

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
    """Appends to a file, or to standard output if the target is `-`; the file may be rotated.

    A new file has mode 0600; an existing file keeps its mode.
    """

    target: str

    def write(self, rows: Sequence[UsageRecord]) -> None:
        """Write one line for each row in one call; blocking."""
        lines = _encode(rows)
        if self.target == STDOUT:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        elif self.target:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self.target, flags, 0o600), "wb") as file:
                file.write(lines)
