"""Reduces parallel requests and context length until a version fits the device's memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelyard.registry.catalog.model import Format
from modelyard.registry.logs import logger
from modelyard.registry.sizes import size_text
from modelyard.serving.engines.config import EngineConfig

SHORTEST = 2048
"""Tokens; a context that the operator did not set is never cut below this."""

_log = logger("modelyard.worker")


@dataclass(frozen=True, slots=True)
class Pinned:
    """Which settings the operator fixed: these are never cut; the version is refused instead."""

    parallel: bool = False
    context: bool = False


def fitted(
    config: EngineConfig, pinned: Pinned, budget: int, need: Callable[[EngineConfig], int]
) -> EngineConfig:
    """The settings, cut until their `need` is within `budget` bytes: requests first, then context.

    If even the smallest settings do not fit, they are returned, and admission refuses them.
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
            budget=size_text(budget),
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
