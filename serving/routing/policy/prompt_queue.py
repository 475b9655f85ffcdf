"""The prompts sent to a worker and not computed yet, first come, first served."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class PromptQueue:
    """Prompts by request, each with its expected seconds and the time it was sent.

    `free_at` is when all should be computed. `behind_s` is the seconds of all but the first: the
    least time that remains even if the first is late.
    """

    free_at: float = 0.0
    behind_s: float = 0.0
    _prompts: dict[int, tuple[object, float, float]] = field(
        default_factory=dict[int, tuple[object, float, float]]
    )
    _head_at: float = 0.0
    _due_s: float = 0.0  # sum of all

    def add(self, request: object, prefill_s: float, now: float) -> None:
        if not self._prompts:
            self._head_at = now
        self._prompts[id(request)] = (request, prefill_s, now)
        self._due_s += prefill_s
        self._count()

    def __contains__(self, request: object) -> bool:
        return id(request) in self._prompts

    def computed(self, request: object, now: float) -> float | None:
        """Remove a computed prompt; returns the seconds it took, or None if it was not first."""
        was_next = next(iter(self._prompts)) == id(request)
        _, prefill_s, sent_at = self._prompts.pop(id(request))
        begun = max(self._head_at, sent_at)
        self._due_s -= prefill_s
        self._head_at = now
        self._count()
        return now - begun if was_next else None

    def _count(self) -> None:
        """Update from the running sum, since adding up a thousand prompts each time is too slow."""
        if not self._prompts:
            self.free_at = self.behind_s = self._due_s = 0.0
            return
        _, first_s, _ = next(iter(self._prompts.values()))
        self.free_at = self._head_at + self._due_s
        self.behind_s = max(0.0, self._due_s - first_s)
