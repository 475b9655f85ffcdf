"""As many requests at once, and as long a context, as a version's memory on this device allows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelyard.registry.catalog.model import Format
from modelyard.registry.logs import logger
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.worker.residency.eviction import gib

SHORTEST = 2048
"""Tokens of context below which nothing is cut that was not set: the model is refused instead."""

_log = logger("modelyard.worker")


@dataclass(frozen=True, slots=True)
class Pinned:
    """What the operator has set: it is kept, or the version is refused with the numbers."""

    parallel: bool = False
    context: bool = False


def fitted(
    config: EngineConfig, pinned: Pinned, budget: int, need: Callable[[EngineConfig], int]
) -> EngineConfig:
    """The settings, cut until their `need` is within `budget` bytes: requests first, then context.

    What still does not fit at its smallest is given back at its smallest, to be refused.
    """
    if config.format != Format.GGUF:
        return config
    smaller = config
    for smaller in _ever_smaller(config, pinned):
        if need(smaller) <= budget:
            break
    if smaller != config:
        _log.warning(
            "engine_cut_to_fit",
            model=config.model_name,
            parallel=smaller.parallel,
            context_length=smaller.context_length,
            asked_parallel=config.parallel,
            asked_context_length=config.context_length,
            budget=gib(budget),
        )
    return smaller


def _ever_smaller(config: EngineConfig, pinned: Pinned) -> Iterator[EngineConfig]:
    yield config
    while not pinned.parallel and config.parallel > 1:
        config = config.model_copy(update={"parallel": config.parallel // 2})
        yield config
    while not pinned.context and config.context_length > SHORTEST:
        shorter = max(config.context_length // 2, SHORTEST)
        config = config.model_copy(update={"context_length": shorter})
        yield config
