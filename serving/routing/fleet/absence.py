"""Workers that do not answer: their supervisor starts them anew, so requests wait a while."""

from dataclasses import dataclass, field

RETURN_S = 15.0
"""Seconds that requests wait for a worker that has stopped answering; then they are told."""

ASK_AGAIN_S = 0.5


@dataclass(slots=True)
class Absences:
    """Since when workers have not answered, by device id; times in seconds."""

    return_s: float = RETURN_S
    _since: dict[str, float] = field(default_factory=dict[str, float])

    def missed(self, device_id: str, now: float) -> None:
        """Record that a device's worker did not answer; only the first time counts."""
        self._since.setdefault(device_id, now)

    def back(self, device_id: str) -> None:
        """Record that it answers, that another has taken its place, or that it left for good."""
        self._since.pop(device_id, None)

    def is_awaited(self, device_id: str, now: float) -> bool:
        since = self._since.get(device_id)
        return since is not None and now - since < self.return_s

    def any_awaited(self, now: float) -> bool:
        return any(now - since < self.return_s for since in self._since.values())
