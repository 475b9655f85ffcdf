"""The prompts that a worker was sent and has not computed yet, first come, first served."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class PromptQueue:
    """Each by the request that it is of, with its seconds and when it was sent.

    `free_at` is when all will be computed, at least `behind_s` from now: those behind the first.
    """

    free_at: float = 0.0
    behind_s: float = 0.0
    _prompts: dict[int, tuple[object, float, float]] = field(
        default_factory=dict[int, tuple[object, float, float]]
    )
    _head_at: float = 0.0
    _due_s: float = 0.0  # of all

    def add(self, request: object, prefill_s: float, now: float) -> None:
        if not self._prompts:
            self._head_at = now
        self._prompts[id(request)] = (request, prefill_s, now)
        self._due_s += prefill_s
        self._count()

    def __contains__(self, request: object) -> bool:
        return id(request) in self._prompts

    def computed(self, request: object, now: float) -> float | None:
        """One that is there is done; returns the seconds it took, None where others overtook it."""
        was_next = next(iter(self._prompts)) == id(request)
        _, prefill_s, sent_at = self._prompts.pop(id(request))
        begun = max(self._head_at, sent_at)
        self._due_s -= prefill_s
        self._head_at = now
        self._count()
        return now - begun if was_next else None

    def _count(self) -> None:
        """A running sum: a thousand prompts at a time must not be added up for each of them."""
        if not self._prompts:
            self.free_at = self.behind_s = self._due_s = 0.0
            return
        _, first_s, _ = next(iter(self._prompts.values()))
        self.free_at = self._head_at + self._due_s
        self.behind_s = max(0.0, self._due_s - first_s)
