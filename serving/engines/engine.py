"""The interface of every engine that generates text."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from modelyard.serving.engines.generation import Delta, Generation, GenerationRequest
from modelyard.serving.engines.measures import Measures


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """An engine's load at one moment; speeds are moving averages in tokens per second.

    `drafted` tokens were guessed, of which the model `accepted` some. `spilled` counts saves to
    disk, `spilled_bytes` the bytes kept there now, and `restored` the loads from disk. `between_s`
    is the total of seconds between `steps`, in which nothing was computed. The current step has
    been running for `step_s` seconds, 0 if the engine rests.

    In an engine that `batches`, requests share batches, so more requests than `slots` may be sent.
    An engine that is not `alive` never answers again: its process must be replaced.
    """

    slots: int
    active: int
    queued: int
    cells: int
    cells_used: int
    context_length: int
    decode_tps: float = 0.0
    prefill_tps: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    preempted: int = 0
    drafted: int = 0
    accepted: int = 0
    spilled: int = 0
    spilled_bytes: int = 0
    restored: int = 0
    steps: int = 0
    between_s: float = 0.0
    step_s: float = 0.0
    batches: bool = False
    alive: bool = True


class LoadedModel(Protocol):
    """The interface of any loaded model."""

    @property
    def measures(self) -> Measures: ...

    def snapshot(self) -> EngineSnapshot: ...

    def close(self) -> None:
        """Stop at once and free the memory."""
        ...


class Engine(LoadedModel, Protocol):
    """One loaded text-generation model; every method but `close` runs on one event loop."""

    async def prepare(self, ask: GenerationRequest) -> Generation:
        """Turn a request into tokens; raises InvalidRequest or ContextLengthExceeded."""
        ...

    def generate(self, generation: Generation) -> AsyncGenerator[Delta]:
        """Stream the answer; the last delta has `finish`. Closing it cancels within a step.

        Raises EngineBusy before the first delta, EngineFailed at any time.
        """
        ...
