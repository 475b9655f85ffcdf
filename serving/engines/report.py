"""The JSON lines that an engine process sends to its parent."""

import json
import os
import sys
from dataclasses import dataclass
from typing import Any, TextIO

from modelyard.registry.errors import ModelyardError


@dataclass(frozen=True, slots=True)
class StartupReport:
    """Writes JSON lines to the original standard output; other output goes to standard error."""

    out: TextIO

    @classmethod
    def on_stdout(cls) -> "StartupReport":
        """Reserve standard output for the report, since native libraries print there too."""
        sys.stdout.flush()
        own = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return cls(own)

    def line(self, **facts: Any) -> None:
        self.out.write(json.dumps(facts) + "\n")
        self.out.flush()

    def error(self, error: ModelyardError) -> None:
        self.line(error={"code": error.code, "message": error.message, "fix": error.fix})
