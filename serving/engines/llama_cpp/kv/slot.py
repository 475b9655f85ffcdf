"""A running generation, and the KV slot it runs in."""

import asyncio
from dataclasses import dataclass, field

from modelyard.serving.engines.generation import Finish, Generation, GenerationTimes
from modelyard.serving.engines.llama_cpp.sampling.grammar import GrammarCopy
from modelyard.serving.engines.llama_cpp.sampling.sampler import Sampler
from modelyard.serving.engines.llama_cpp.sampling.scoring import Score
from modelyard.serving.engines.measures import Times
from modelyard.serving.errors import ServingError

End = Finish | ServingError
News = int | Score | End
Mailbox = asyncio.Queue[News]


@dataclass(slots=True, eq=False)
class Sequence:
    """One generation in the scheduler: its tokens so far, and the mailbox for its news."""

    generation: Generation
    number: int
    loop: asyncio.AbstractEventLoop
    mailbox: Mailbox = field(default_factory=Mailbox)
    tokens: list[int] = field(default_factory=list[int])
    grammar: GrammarCopy | None = None
    sampler: Sampler | None = None
    reused: int = 0
    preempted: int = 0
    cancelled: bool = False
    scored: int = 0
    times: Times = field(default_factory=Times)

    def __post_init__(self) -> None:
        self.tokens = list(self.generation.prompt)

    @property
    def written(self) -> int:
        return len(self.tokens) - len(self.generation.prompt)

    @property
    def left(self) -> int:
        return self.generation.limit - self.written

    @property
    def is_scored(self) -> bool:
        """Whether prompt tokens remain to be scored."""
        scoring = self.generation.scoring
        return scoring is not None and scoring.prompt and self.scored < len(self.generation.prompt)

    @property
    def took(self) -> GenerationTimes:
        times = self.times
        read = len(self.generation.prompt) - self.reused
        return GenerationTimes(
            times.begun - times.asked,
            max(times.first - times.begun, 0.0),
            times.last - times.first,
            read,
            self.written,
        )

    @property
    def reusable(self) -> int:
        """Number of leading tokens that memory may supply; the rest has to be decoded."""
        return max(self.scored - 1, 0) if self.is_scored else len(self.tokens) - 1


@dataclass(slots=True, eq=False)
class Hold:
    """A sequence waiting until another slot's prefill reaches the `length` tokens they share."""

    donor: "Slot"
    sequence: Sequence
    length: int


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence id of the context: `filled` of its `tokens` are in KV memory.

    While a sequence runs here, `tokens` is the sequence's own growing list. Afterwards it is what
    memory still holds, which a sequence of the same tenant with the same prefix can reuse.
    """

    index: int
    tokens: list[int] = field(default_factory=list[int])
    filled: int = 0
    sequence: Sequence | None = None
    hold: Hold | None = None
    used: float = 0.0
    tenant: str = ""
    adapter: str = ""

    def common(self, sequence: Sequence, *, shared: bool) -> int:
        """Number of leading tokens of `sequence` that this slot can supply.

        0 under another adapter, whose KV differs, and across tenants unless `shared`.
        """
        if self.adapter != sequence.generation.adapter:
            return 0
        if not shared and self.tenant != sequence.generation.tenant:
            return 0
        return common_prefix(self.tokens, sequence.tokens)

    @property
    def is_idle(self) -> bool:
        return self.sequence is None

    @property
    def is_scored(self) -> bool:
        return self.sequence is not None and self.sequence.is_scored

    @property
    def remaining(self) -> int:
        """Number of tokens to decode before the next can be sampled."""
        return len(self.tokens) - self.filled

    def occupy(self, sequence: Sequence, filled: int) -> None:
        self.sequence = sequence
        self.tokens = sequence.tokens
        self.filled = filled
        self.tenant = sequence.generation.tenant
        self.adapter = sequence.generation.adapter

    def release(self, now: float) -> None:
        """Release the sequence and keep what memory holds of it."""
        self.tokens = self.tokens[: self.filled]
        self.sequence = None
        self.hold = None
        self.used = now


def common_prefix(a: list[int], b: list[int]) -> int:
    """Length of two lists' common prefix (binary search over slice comparisons, at C speed)."""
    low = 0
    high = min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
