"""What to evict, what fits, when to restart, when to give up: decisions without effects."""

from collections.abc import Collection
from dataclasses import dataclass

from modelyard.registry.errors import ErrorKind
from modelyard.registry.victims import enough_victims
from modelyard.serving.errors import ServingError

RESTART_FIRST_S = 0.25
RESTART_MOST_S = 30.0
SETTLED_S = 60.0
"""Seconds that an engine has to run until its next end counts as the first again."""

ATTEMPTS = 3
QUARANTINE_S = 300.0
"""A version that failed ATTEMPTS times to load is left alone for this long."""


class DoesNotFit(ServingError):
    """A version needs more memory than the device could ever give it (all sizes in bytes)."""

    code = "does_not_fit"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 7

    def __init__(self, message: str, *, need: int, free: int, total: int, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.need = need
        self.free = free
        self.total = total


class DeviceFull(DoesNotFit):
    """A version would fit, but what it would replace is at work."""

    code = "device_full"
    kind = ErrorKind.OVERLOADED


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """A version's share of the device: measured, or `loading` and estimated. Bytes.

    One that is `kept` warm, such as a rollout's way back, leaves only after all others.
    """

    version_id: str
    memory: int
    last_used: float
    busy: bool = False
    loading: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """A device's memory in bytes, of which versions may fill `fraction`; `free` as measured."""

    total: int
    free: int
    fraction: float

    @property
    def limit(self) -> int:
        return int(self.total * self.fraction)

    def left(self, holdings: Collection[MemoryShare]) -> int:
        """Bytes for one more: within the limit, and not promised to what is still loading."""
        promised = sum(h.memory for h in holdings if h.loading)
        return max(0, min(self.limit - sum(h.memory for h in holdings), self.free - promised))

    def most(self, holdings: Collection[MemoryShare]) -> int:
        """Bytes for one more, were all idle ones gone."""
        idle = sum(h.memory for h in holdings if not h.busy)
        promised = sum(h.memory for h in holdings if h.loading)
        left = min(self.limit - sum(h.memory for h in holdings), self.free - promised)
        return max(0, left + idle)


def choose_victims(
    name: str, need: int, room: MemoryBudget, holdings: Collection[MemoryShare]
) -> tuple[str, ...]:
    """The idle versions to evict so that `need` bytes fit: the least recently used that suffice.

    Raises DoesNotFit when it never will, DeviceFull when it would once others are idle.
    """
    left = room.left(holdings)
    if need > room.limit:
        raise DoesNotFit(
            _numbers(name, need, left, room),
            need=need,
            free=left,
            total=room.total,
            fix="Take a smaller quantization, a shorter MODELYARD_CONTEXT_LENGTH, "
            "a lower MODELYARD_PARALLEL or a larger device.",
        )
    idle = sorted((h for h in holdings if not h.busy), key=lambda h: (h.kept, h.last_used))
    leaving = enough_victims(idle, need - left, lambda holding: holding.memory)
    if leaving is None:
        raise DeviceFull(
            f"{_numbers(name, need, left, room)} What else is loaded is at work.",
            need=need,
            free=left,
            total=room.total,
            fix="Try again when it is done, or end what else fills the device.",
        )
    return tuple(holding.version_id for holding in leaving)


def _numbers(name: str, need: int, left: int, room: MemoryBudget) -> str:
    return (
        f"{name} needs {gib(need)} of memory; {gib(left)} are free "
        f"of the {gib(room.limit)} that models may fill ({gib(room.total)} in all)."
    )


def gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def restart_delay(failures: int, chance: float) -> float:
    """Seconds before the next start: doubled with each of `failures` (from 1), jittered.

    `chance` is drawn from 0..1; the delay lies in the upper half of its step.
    """
    step = min(RESTART_MOST_S, RESTART_FIRST_S * 2.0 ** min(failures - 1, 30))
    return step * (0.5 + 0.5 * chance)


@dataclass(frozen=True, slots=True)
class LoadFailures:
    """How often in a row a version failed to load, and when it last did (monotonic seconds)."""

    count: int = 0
    last_at: float = 0.0

    def and_now(self, now: float) -> "LoadFailures":
        return LoadFailures(self.count + 1, now)

    def quarantine_left(self, now: float) -> float:
        """Seconds until the next load is tried; 0: now."""
        if self.count < ATTEMPTS:
            return 0.0
        return max(0.0, self.last_at + QUARANTINE_S - now)

    def as_of(self, now: float) -> "LoadFailures":
        """What still counts: after a quarantine has passed, a version begins anew."""
        served = self.count >= ATTEMPTS and self.quarantine_left(now) == 0.0
        return LoadFailures() if served else self
