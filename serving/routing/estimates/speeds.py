"""Estimates seconds per token by GPU kind, version and concurrency, from answered requests."""

from dataclasses import dataclass, field

PRIOR_PREFILL_S = 1 / 2000
PRIOR_DECODE_S = 1 / 30
"""Seconds per token before anything was measured on any GPU."""

LIKELY_SLOPE = 0.03
"""Assumed rise in seconds per token for each further concurrent request, as a share."""

_FORGET = 0.998
_PRIOR_TOKENS = 200.0
_RECALL = 0.93  # decay of the slowdown: about the last fifteen answers
_DRAG_PRIOR_S = 0.5


@dataclass(slots=True)
class LinearFit:
    """Seconds per token, linear in concurrency: least squares, token-weighted, with decay."""

    prior: float
    _weight: float = 0.0
    _x: float = 0.0
    _y: float = 0.0
    _xx: float = 0.0
    _xy: float = 0.0
    _start: float = field(init=False)
    _slope: float = field(init=False)
    _least: float = 0.0

    def __post_init__(self) -> None:
        self._start = self.prior
        self._slope = self.prior * LIKELY_SLOPE

    def learn(self, concurrency: float, tokens: float, seconds: float) -> None:
        w = tokens
        y = seconds / tokens
        self._weight = self._weight * _FORGET + w
        self._x = self._x * _FORGET + w * concurrency
        self._y = self._y * _FORGET + w * y
        self._xx = self._xx * _FORGET + w * concurrency * concurrency
        self._xy = self._xy * _FORGET + w * concurrency * y
        self._fit()

    @property
    def known(self) -> float:
        """The decayed number of tokens learned from; 0 before the first measurement."""
        return self._weight

    def at(self, concurrency: float) -> float:
        """Seconds per token, at least a fifth of the mean; never falls with concurrency."""
        return max(self._least, self._start + self._slope * concurrency)

    def _fit(self) -> None:
        """Refit after each measurement, so that the more frequent decisions only read."""
        mean_x = self._x / self._weight
        mean_y = (self._y + _PRIOR_TOKENS * self.prior) / (self._weight + _PRIOR_TOKENS)
        spread = self._xx / self._weight - mean_x * mean_x
        both = self._xy / self._weight - mean_x * self._y / self._weight
        self._slope = max(0.0, both / spread) if spread > 0.25 else LIKELY_SLOPE * mean_y
        self._start = mean_y - self._slope * mean_x
        self._least = 0.2 * mean_y


@dataclass(slots=True)
class TokenLatency:
    """Speeds of one version on one kind of GPU."""

    prefill: LinearFit
    decode: LinearFit


@dataclass(slots=True)
class Slowdown:
    """`factor` is one device's time relative to its GPU kind; above 1 means slower."""

    factor: float = 1.0
    _seen: float = _DRAG_PRIOR_S
    _expected: float = _DRAG_PRIOR_S

    def learn(self, expected_s: float, seconds: float) -> None:
        self._seen = self._seen * _RECALL + seconds
        self._expected = self._expected * _RECALL + expected_s
        self.factor = min(20.0, max(0.1, self._seen / self._expected))


@dataclass(slots=True)
class SpeedEstimates:
    """Speeds by GPU kind and version; unknown pairs start from the nearest known ones."""

    _paces: dict[tuple[str, str], TokenLatency] = field(
        default_factory=dict[tuple[str, str], TokenLatency]
    )

    def pace(self, gpu: str, version: str) -> TokenLatency:
        known = self._paces.get((gpu, version))
        if known is None:
            known = self._paces[(gpu, version)] = self._likely(gpu, version)
        return known

    def forget(self, version: str) -> None:
        """Forget a version on every kind of GPU."""
        for key in [key for key in self._paces if key[1] == version]:
            del self._paces[key]

    def _likely(self, gpu: str, version: str) -> TokenLatency:
        """Start from the same GPU's other versions, else from this version on other GPUs."""
        like = [p for (g, _), p in self._paces.items() if g == gpu and p.prefill.known]
        like = like or [p for (_, v), p in self._paces.items() if v == version and p.prefill.known]
        if not like:
            return TokenLatency(LinearFit(PRIOR_PREFILL_S), LinearFit(PRIOR_DECODE_S))
        prefill = sum((p.prefill.at(1) for p in like), 0.0) / len(like)
        return TokenLatency(
            LinearFit(prefill), LinearFit(sum((p.decode.at(1) for p in like), 0.0) / len(like))
        )
