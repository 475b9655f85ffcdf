"""Decisions without side effects: what to evict, what fits, when to restart, when to give up."""

from collections.abc import Collection
from dataclasses import dataclass

from modelyard.registry.errors import ErrorKind
from modelyard.registry.sizes import size_text
from modelyard.registry.victims import enough_victims
from modelyard.serving.errors import ServingError

RESTART_FIRST_S = 0.25
RESTART_MOST_S = 30.0
SETTLED_S = 60.0
"""Seconds an engine must run before its next crash counts as the first again."""

ATTEMPTS = 3
QUARANTINE_S = 300.0
"""Seconds that a version is not retried after ATTEMPTS failed loads."""


class DoesNotFit(ServingError):
    """A version needs more memory than the device can ever give it (all sizes in bytes)."""

    code = "does_not_fit"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 7

    def __init__(self, message: str, *, need: int, free: int, total: int, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.need = need
        self.free = free
        self.total = total


class DeviceFull(DoesNotFit):
    """A version would fit, but the versions it would replace are busy."""

    code = "device_full"
    kind = ErrorKind.OVERLOADED


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """A version's memory on the device in bytes: measured, or estimated while `loading`.

    A version that is `kept` warm, such as a rollout's fallback, is evicted only after all others.
    """

    version_id: str
    memory: int
    last_used: float
    busy: bool = False
    loading: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """A device's memory in bytes; versions may fill `fraction` of it; `free` is measured."""

    total: int
    free: int
    fraction: float

    @property
    def limit(self) -> int:
        return int(self.total * self.fraction)

    def left(self, holdings: Collection[MemoryShare]) -> int:
        """Bytes for one more version: within the limit, less what loading versions will need."""
        promised = sum(h.memory for h in holdings if h.loading)
        return max(0, min(self.limit - sum(h.memory for h in holdings), self.free - promised))

    def most(self, holdings: Collection[MemoryShare]) -> int:
        """Bytes for one more version if all idle ones were evicted."""
        idle = sum(h.memory for h in holdings if not h.busy)
        promised = sum(h.memory for h in holdings if h.loading)
        left = min(self.limit - sum(h.memory for h in holdings), self.free - promised)
        return max(0, left + idle)


def choose_victims(
    name: str, need: int, room: MemoryBudget, holdings: Collection[MemoryShare]
) -> tuple[str, ...]:
    """The idle versions to evict so that `need` bytes fit, least recently used first.

    Raises DoesNotFit if it never fits, DeviceFull if it fits only once busy versions are idle.
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
        f"{name} needs {size_text(need)} of memory; {size_text(left)} are free "
        f"of the {size_text(room.limit)} that models may fill ({size_text(room.total)} in all)."
    )


def restart_delay(failures: int, chance: float) -> float:
    """Seconds before the next start: doubled with each of `failures` (from 1), jittered.

    `chance` is drawn from 0..1; the delay lies in the upper half of its step.
    """
    step = min(RESTART_MOST_S, RESTART_FIRST_S * 2.0 ** min(failures - 1, 30))
    return step * (0.5 + 0.5 * chance)


@dataclass(frozen=True, slots=True)
class LoadFailures:
    """How many loads of a version failed in a row, and when the last did (monotonic seconds)."""

    count: int = 0
    last_at: float = 0.0

    def and_now(self, now: float) -> "LoadFailures":
        return LoadFailures(self.count + 1, now)

    def quarantine_left(self, now: float) -> float:
        """Seconds until the next load is allowed; 0 means now."""
        if self.count < ATTEMPTS:
            return 0.0
        return max(0.0, self.last_at + QUARANTINE_S - now)

    def as_of(self, now: float) -> "LoadFailures":
        """The failures that still count: none once a quarantine has passed."""
        served = self.count >= ATTEMPTS and self.quarantine_left(now) == 0.0
        return LoadFailures() if served else self
