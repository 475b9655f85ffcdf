"""A clock that stands still until the simulation moves it, in place of the registry's own."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ROOMS = (
    "modelyard.registry.jobs",
    "modelyard.registry.callbacks",
    "modelyard.registry.notices",
)
"""Where all that happens takes its time from `utc_now`."""


@dataclass(slots=True)
class SimulatedClock:
    """The time of all processes of the simulation."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @contextmanager
    def ticking(self) -> Generator[None]:
        """Every module of ROOMS reads this clock meanwhile."""
        modules = [
            module
            for name, module in sys.modules.items()
            if name.startswith(ROOMS) and hasattr(module, "utc_now")
        ]
        real = [(module, vars(module)["utc_now"]) for module in modules]
        try:
            for module in modules:
                vars(module)["utc_now"] = self
            yield
        finally:
            for module, own in real:
                vars(module)["utc_now"] = own
