"""How often one looks at what one waits for, and until when."""

import time
from dataclasses import dataclass, field

from modelyard.serving.client.asking import Pause

BETWEEN_LOOKS_S = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
"""Seconds between two looks; the last of them stays."""


@dataclass(slots=True)
class LookTimes:
    """The looks at one thing, at most for `timeout_s` seconds; None: for ever."""

    what: str
    timeout_s: float | None
    _begun: float = field(default_factory=time.monotonic)
    _looks: int = 0

    def pause(self, status: str) -> Pause:
        """The time until the next look; raises TimeoutError where it would be too late."""
        seconds = BETWEEN_LOOKS_S[min(self._looks, len(BETWEEN_LOOKS_S) - 1)]
        self._looks += 1
        waited_s = time.monotonic() - self._begun
        if self.timeout_s is not None and waited_s + seconds > self.timeout_s:
            raise TimeoutError(f"The {self.what} is {status} after {waited_s:.1f} s; it goes on.")
        return Pause(seconds)
