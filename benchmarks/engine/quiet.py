"""Figures of a busy machine say little: wait for it, and count where waiting was in vain."""

import time
from dataclasses import dataclass

import psutil

_BUSY_PERCENT = 20.0  # of all cores; the servers themselves are idle while this is looked at
_LOOK_S = 0.5


@dataclass(slots=True)
class Quiet:
    """Waits up to `patience_s` before each measurement."""

    patience_s: float
    measured: int = 0
    disturbed: int = 0

    def wait(self) -> None:
        self.measured += 1
        deadline = time.monotonic() + self.patience_s
        while psutil.cpu_percent(_LOOK_S) > _BUSY_PERCENT:
            if time.monotonic() > deadline:
                self.disturbed += 1
                return

    def __str__(self) -> str:
        return f"{self.disturbed} of {self.measured} measurements began on a busy machine"
