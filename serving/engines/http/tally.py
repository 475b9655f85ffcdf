"""Usage and text of an answer's choices so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from modelyard.serving.engines.generation import Delta, Finish, GenerationTimes, TokenScore
from modelyard.serving.engines.http.scores import Offsets
from modelyard.serving.engines.tool_calls.forms import CallPart
from modelyard.serving.wire.openai.timings import Timings


@dataclass(slots=True)
class ChoiceUsage:
    """One choice's text, usage and finish reason, accumulated from its deltas."""

    completion: int = 0
    cached: int = 0
    finish: Finish | None = None
    texts: list[str] = field(default_factory=list[str])
    scores: list[TokenScore] = field(default_factory=list[TokenScore])
    offsets: Offsets = field(default_factory=Offsets)
    took: GenerationTimes | None = None
    calls: list[CallPart] = field(default_factory=list[CallPart])

    def count(self, delta: Delta) -> None:
        self.completion += delta.tokens
        self.cached = max(self.cached, delta.cached)
        self.finish = delta.finish or self.finish
        self.took = delta.took or self.took
        self.texts.append(delta.text)
        self.scores.extend(delta.scores)
        self.calls.extend(delta.calls)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reason(self) -> str:
        return self.finish or Finish.STOP


def timings_of(tallies: Sequence[ChoiceUsage]) -> Timings | UnsetType:
    """The combined times of the answers; UNSET if the engine does not measure them."""
    took = [tally.took for tally in tallies if tally.took is not None]
    if not took:
        return UNSET
    prompt_s = max(t.prompt_s for t in took)
    predicted_s = max(t.predicted_s for t in took)
    read = sum(t.prompt_n for t in took)
    written = sum(t.predicted_n for t in took)
    after_first = sum(max(t.predicted_n - 1, 0) for t in took)
    return Timings(
        queue_ms=_ms(max(t.queue_s for t in took)),
        prompt_n=read,
        cached_n=sum(tally.cached for tally in tallies),
        prompt_ms=_ms(prompt_s),
        prompt_per_second=_rate(read, prompt_s),
        predicted_n=written,
        predicted_ms=_ms(predicted_s),
        predicted_per_second=_rate(after_first, predicted_s),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 3) if seconds else 0.0
