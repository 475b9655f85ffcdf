"""A short generation with the same engine that will serve the model."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.generation import (
    Delta,
    Generation,
    GenerationRequest,
    Sampling,
    Scoring,
    TokenPosition,
)
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.evaluation.findings import SampleText
from modelyard.serving.engines.llama_cpp.load import load_writer
from modelyard.serving.errors import EngineFailed

_NEVER = -1e6
"""A bias that no logit outweighs."""


def write_some(path: Path, prompt: str, tokens: int) -> SampleText:
    """The greedy continuation; raises ModelUnloadable or EngineFailed.

    A model may end its answer at once, for some prompts rightly. It then has to generate again with
    its end tokens suppressed.
    """
    config = EngineConfig(
        version_id="smoke",
        model_name="smoke",
        format="gguf",
        path=str(path),
        internal_token="-" * 16,
        parallel=1,
        batch=64,
    )
    return asyncio.run(_write(config, GenerationRequest(prompt, tokens, scoring=Scoring())))


async def _write(config: EngineConfig, ask: GenerationRequest) -> SampleText:
    engine = load_writer(config)
    try:
        plain = await engine.prepare(replace(ask, sampling=Sampling(temperature=0)))
        text, count = await _written(engine, plain)
        if count:
            return SampleText(text, count, ended=False)
        endless = tuple((end, _NEVER) for end in sorted(engine.vocabulary.ends))
        sampling = Sampling(temperature=0, logit_bias=endless)
        text, count = await _written(engine, replace(plain, sampling=sampling))
        return SampleText(text, count, ended=True)
    finally:
        engine.close()


async def _written(engine: LlamaEngine, generation: Generation) -> tuple[str, int]:
    deltas = [delta async for delta in engine.generate(generation)]
    for delta in deltas:
        _check_scores(delta)
    return "".join(delta.text for delta in deltas), sum(delta.tokens for delta in deltas)


def _check_scores(delta: Delta) -> None:
    """Raise on non-finite logprobs, also of the end token: argmax of NaN logits picks the first."""
    chosen = [s.logprob for s in delta.scores if s.place is not TokenPosition.PROMPT]
    if not all(logprob is not None and math.isfinite(logprob) for logprob in chosen):
        raise EngineFailed("Its logits are no numbers: the weights are broken.")
