"""Time and chance of the simulation in place of the machine's: a seed gives the same run again."""

import random
import sys
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ROOMS = ("modelyard.registry.jobs", "modelyard.registry.callbacks", "modelyard.registry.notices")


@dataclass(slots=True)
class SimulatedClock:
    """Stands still until the simulation moves it."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@contextmanager
def simulated(clock: SimulatedClock, seed: int) -> Generator[None]:
    """Meanwhile the ROOMS read this clock, and what is drawn follows from the seed."""
    drawn = random.Random(seed)
    before = random.getstate()
    random.seed(seed)
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith(ROOMS) and "utc_now" in vars(module):
                stack.enter_context(_exchanged(module, "utc_now", clock))
        ids = stack.enter_context
        ids(_exchanged(uuid, "uuid4", lambda: uuid.UUID(int=drawn.getrandbits(128), version=4)))
        try:
            yield
        finally:
            random.setstate(before)


@contextmanager
def _exchanged(module: object, name: str, by: Callable[[], object]) -> Generator[None]:
    real = getattr(module, name)
    setattr(module, name, by)
    try:
        yield
    finally:
        setattr(module, name, real)
