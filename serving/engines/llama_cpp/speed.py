"""The engine's prefill and decode speed, as moving averages."""

from dataclasses import dataclass

_MEMORY = 0.95  # weight of the past in each new step


@dataclass(slots=True)
class Speed:
    """Tokens per second, and totals since the start."""

    prefill_tps: float = 0.0
    decode_tps: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    preempted: int = 0
    steps: int = 0
    between_s: float = 0.0  # total seconds from the end of one decode to the start of the next
    _ended: float | None = None

    def step(self, prompt: int, written: int, begun: float, ended: float) -> None:
        """Count one decode; a step with prompt tokens updates only the prefill speed."""
        seconds = ended - begun
        self.prompt_tokens += prompt
        self.generated_tokens += written
        self.steps += 1
        if self._ended is not None:
            self.between_s += begun - self._ended
        self._ended = ended
        if prompt:
            self.prefill_tps = follow(self.prefill_tps, (prompt + written) / seconds)
        else:
            self.decode_tps = follow(self.decode_tps, written / seconds)

    def rest(self) -> None:
        """Mark the engine idle, so that the wait does not count as time between decodes."""
        self._ended = None


def follow(average: float, now: float) -> float:
    """The moving average updated with one more value."""
    return now if average == 0 else _MEMORY * average + (1 - _MEMORY) * now
