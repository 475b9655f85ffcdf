"""Records a device's history: periodic samples, written in batches."""

import time
from collections import deque
from dataclasses import dataclass, field

from modelyard.registry.fleet.device_facts import DeviceFacts
from modelyard.registry.fleet.device_history import DeviceHistory, Sample
from modelyard.serving.worker.activity import Activity

BATCH = 3
MOST_WAITING = 360
"""Samples buffered while the database is unreachable: one hour at the default ten seconds."""


@dataclass(slots=True)
class TelemetrySampler:
    """Turns measurements into one sample per `every_s` seconds; `write` blocks on the database."""

    history: DeviceHistory
    every_s: float
    _waiting: deque[Sample] = field(default_factory=lambda: deque[Sample](maxlen=MOST_WAITING))
    _tokens: tuple[float, int] | None = None
    _last: int = 0

    def take(self, facts: DeviceFacts, activity: Activity) -> None:
        """Record a measurement if one is due."""
        now = time.time()
        every = max(1, round(self.every_s))
        if (at := int(now) // every * every) <= self._last:
            return
        self._last = at
        self._waiting.append(
            _sample(facts, activity, at, every, tokens_per_s=self._speed(now, activity.tokens))
        )

    def write(self) -> None:
        """Write a full batch to the database; if that fails, the samples stay queued."""
        if len(self._waiting) >= BATCH:
            batch = [*self._waiting]
            self.history.add(batch)
            for _ in batch:
                self._waiting.popleft()

    def _speed(self, now: float, tokens: int) -> float:
        """Tokens per second since the last sample; 0 if the count fell (an engine restarted)."""
        last, self._tokens = self._tokens, (now, tokens)
        if last is None or tokens < last[1]:
            return 0.0
        return (tokens - last[1]) / max(now - last[0], 1e-3)


def _sample(
    facts: DeviceFacts, activity: Activity, at: int, seconds: int, *, tokens_per_s: float
) -> Sample:
    return Sample(
        device_id=facts.gpu_id,
        at=at,
        seconds=seconds,
        utilization=facts.utilization,
        memory_used=facts.memory_used,
        temperature=facts.temperature,
        power_usage=facts.power_usage,
        throttle=",".join(facts.throttle_reasons or ()),
        active_requests=activity.active,
        queued_requests=activity.queued,
        tokens_per_s=round(tokens_per_s, 3),
    )
