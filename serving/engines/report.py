"""The one line an engine process says to its worker."""

import json
import os
import sys
from dataclasses import dataclass
from typing import Any, TextIO

from modelyard.registry.errors import ModelyardError


@dataclass(frozen=True, slots=True)
class StartupReport:
    """A line of JSON on what was standard output; whatever else prints goes to standard error."""

    out: TextIO

    @classmethod
    def on_stdout(cls) -> "StartupReport":
        """Keep standard output for the report alone: native libraries print where they like."""
        sys.stdout.flush()
        own = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return cls(own)

    def line(self, **facts: Any) -> None:
        self.out.write(json.dumps(facts) + "\n")
        self.out.flush()

    def error(self, error: ModelyardError) -> None:
        self.line(error={"code": error.code, "message": error.message, "fix": error.fix})
