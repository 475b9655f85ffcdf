"""Notices an engine that does not answer, or that does not come to the end of a step."""

from dataclasses import dataclass, field

from modelyard.serving.worker.activity import Activity

MISSED = 4
"""Questions without an answer before silence counts: one may be lost to a busy machine."""


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """Seconds that an engine may be silent, and that one step of its scheduler may take."""

    silent_s: float = 20.0
    step_s: float = 300.0


@dataclass(slots=True)
class Watchdog:
    """Judges one engine process by its answers; times are this worker's monotonic seconds.

    Silence is counted from the first question that was not answered, so that a worker that was
    itself stopped does not blame its engines.
    """

    limits: WatchdogLimits = field(default_factory=WatchdogLimits)
    _silent_since: float = 0.0
    _missed: int = 0

    def heard(self, activity: Activity | None, now: float) -> str:
        """What is wrong with the engine, as the end of a sentence; empty if nothing is."""
        if activity is not None:
            self._missed = 0
            stuck = activity.step_s > self.limits.step_s
            return f"was stuck in one step for {activity.step_s:.0f} s" if stuck else ""
        if not self._missed:
            self._silent_since = now
        self._missed += 1
        silent_s = now - self._silent_since
        is_over = self._missed >= MISSED and silent_s >= self.limits.silent_s
        return f"gave no answer for {silent_s:.0f} s" if is_over else ""
