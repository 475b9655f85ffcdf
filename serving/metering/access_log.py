"""The access log: one JSON line for each request, written in batches."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from modelyard.registry.billing.usage import UsageRecord
from modelyard.serving.metering.unbooked import REFUSED

STDOUT = "-"
_encode = msgspec.json.Encoder().encode_lines


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Appends to a file, or to standard output if the target is `-`; the file may be rotated.

    A new file has mode 0600; an existing file keeps its mode.
    """

    target: str

    def write(self, rows: Sequence[UsageRecord], left_out: int = 0) -> None:
        """Write one line for each row in one call, and one for those left out; blocking."""
        lines = _encode(rows)
        if left_out:
            lines += _encode([{"kind": REFUSED, "left_out": left_out}])
        if self.target == STDOUT:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        elif self.target:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with os.fdopen(os.open(self.target, flags, 0o600), "wb") as file:
                file.write(lines)
