"""What every engine offers, whatever runs beneath it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from modelyard.serving.engines.generation import Delta, Generation, GenerationRequest
from modelyard.serving.engines.measures import Measures


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """An engine's load at one moment; speeds are learned averages in tokens per second.

    `drafted` tokens were guessed, of which the model `accepted` some. `spilled` counts what was
    saved to disk, of which `spilled_bytes` are kept, and `restored` what came back.
    `between_s` are the seconds that passed between `steps`, in which nothing was computed.

    Of an engine that `batches` its requests share batches: more than its slots are welcome.
    One that is not `alive` will never answer again: its process has to be replaced.
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
    batches: bool = False
    alive: bool = True


class LoadedModel(Protocol):
    """What a process needs of any model it has loaded."""

    @property
    def measures(self) -> Measures: ...

    def snapshot(self) -> EngineSnapshot: ...

    def close(self) -> None:
        """Stop at once and give the memory back."""
        ...


class Engine(LoadedModel, Protocol):
    """One loaded model that writes; every method but `close` is called on one event loop."""

    async def prepare(self, ask: GenerationRequest) -> Generation:
        """Turn an ask into tokens; raises InvalidRequest or ContextLengthExceeded."""
        ...

    def generate(self, generation: Generation) -> AsyncGenerator[Delta]:
        """Stream the answer; the last delta has `finish`. Closing it cancels within a step.

        Raises EngineBusy before the first delta, EngineFailed at any.
        """
        ...
