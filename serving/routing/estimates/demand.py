"""Estimates each version's demand: decaying arrivals per second, mean tokens in and out."""

import math
from dataclasses import dataclass, field

HALF_LIFE_S = 60.0
FIRST_OUTPUT = 200.0
"""Assumed answer tokens before any answer was seen."""

_TOKENS_RECALL = 0.98


@dataclass(slots=True)
class Demand:
    """One version's demand; `prompt` and `output` are mean tokens, `load_s` its load in seconds."""

    arrivals: float = 0.0
    since: float = 0.0
    began: float = 0.0
    prompt: float = 0.0
    output: float = FIRST_OUTPUT
    load_s: float = 0.0

    def arrived(self, prompt: float, now: float) -> None:
        if not self.arrivals:
            self.began = now
            self.prompt = prompt
        self._fade(now)
        self.arrivals += 1

    def computed(self, prompt: float) -> None:
        """Record the tokens of a prompt that were not cached."""
        self.prompt += (prompt - self.prompt) * (1 - _TOKENS_RECALL)

    def answered(self, output: float) -> None:
        self.output += (output - self.output) * (1 - _TOKENS_RECALL)

    def rate(self, now: float) -> float:
        """Arrivals per second, corrected for versions first requested a short time ago."""
        self._fade(now)
        lasted = max(1.0, now - self.began)
        seen_s = HALF_LIFE_S / math.log(2) * (1 - 0.5 ** (lasted / HALF_LIFE_S))
        return self.arrivals / max(seen_s, 5.0)

    @property
    def is_wanted(self) -> bool:
        """Whether the version was requested in the last minutes."""
        return self.arrivals > 0.01

    def _fade(self, now: float) -> None:
        self.arrivals *= 0.5 ** ((now - self.since) / HALF_LIFE_S)
        self.since = now


@dataclass(slots=True)
class Demands:
    """The demand of every version."""

    _known: dict[str, Demand] = field(default_factory=dict[str, Demand])

    def of(self, version: str) -> Demand:
        known = self._known.get(version)
        if known is None:
            known = self._known[version] = Demand()
        return known

    def forget(self, version: str) -> None:
        self._known.pop(version, None)
