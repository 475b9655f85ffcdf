"""Loads a folder of files with its settings into a running engine."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.encoder import Task
from modelyard.serving.engines.onnx.backlog import Backlog
from modelyard.serving.engines.onnx.batching import BatchingPolicy
from modelyard.serving.engines.onnx.calibrating import fixed_cost
from modelyard.serving.engines.onnx.description import Description, describe
from modelyard.serving.engines.onnx.engine import OnnxEngine
from modelyard.serving.engines.onnx.heads import head_for
from modelyard.serving.engines.onnx.lanes import Lanes, Run
from modelyard.serving.engines.onnx.network import IDS, KINDS, MASK, Array, Network
from modelyard.serving.engines.onnx.placement import ProviderChoice, open_session
from modelyard.serving.engines.onnx.recipe.recipe import VectorRecipe
from modelyard.serving.engines.onnx.sizes import (
    BATCH_TOKENS,
    GPU_BATCH_TOKENS,
    lane_count,
    text_limit,
)
from modelyard.serving.engines.onnx.tokens import EncodedText, TextTokenizer
from modelyard.serving.errors import ModelUnloadable

GPU_WAIT_S = 0.002
QUEUED_TEXTS = 16
"""Texts that may wait per queued request, since a request can have many."""


def load(config: EngineConfig) -> OnnxEngine:
    """Describe the model, load it on its device, measure it; raises ModelUnloadable."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # lanes use the cores
    path = Path(config.path)
    placement = ProviderChoice.of(config)
    description = describe(path, config.options)
    limit = text_limit(description.positions, config.context_length)
    words = description.root / "tokenizer.json"
    reader = TextTokenizer.load(
        words,
        limit,
        keeps_encodings=description.task is Task.TOKEN_CLASSIFY,
        lower_case=description.recipe.lower_case,
    )
    network = _network(path, placement, description, limit)
    run = _run(network, description)
    policy = _policy(config, placement, _tried(run, limit, on_gpu=placement.on_gpu))
    _give_back()
    lanes = Lanes(run, Backlog(policy, 1 if placement.on_gpu else lane_count(config.threads)))
    return OnnxEngine(description, reader, lanes, config.max_queue * QUEUED_TEXTS)


def _give_back() -> None:
    """Return memory freed after loading to the system; glibc would keep it otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _network(
    path: Path, placement: ProviderChoice, description: Description, limit: int
) -> Network:
    import onnxruntime

    session = open_session(onnxruntime, path, placement, _profiles(limit))
    network = Network.of(session, description.padding)
    if network.pools and any(description.recipe.prompts.values()):
        _check_prompts(description.recipe)
    return network


def _check_prompts(recipe: VectorRecipe) -> None:
    if not recipe.pooling.include_prompt:
        raise ModelUnloadable(
            "The graph pools by itself and would include the prompt, which the model's files "
            "leave out.",
            fix="Take a graph that gives last_hidden_state or token_embeddings.",
        )


def _run(network: Network, description: Description) -> Run:
    head = head_for(description)

    def run(texts: Sequence[EncodedText]) -> list[Any]:
        output, mask = network.run(texts)
        return head(output, _pooled_tokens(mask, texts))

    return run


def _pooled_tokens(mask: Array, texts: Sequence[EncodedText]) -> Array:
    """The mask without the prompts that are no part of the vector."""
    for row, text in enumerate(texts):
        if text.unpooled:
            mask[row, : text.unpooled] = 0
    return mask


def _tried(run: Run, limit: int, *, on_gpu: bool) -> float:
    """The measured fixed cost; a model that loads but cannot run is refused here."""
    try:
        return fixed_cost(run, limit, on_gpu=on_gpu)
    except Exception as error:
        # ONNX Runtime's errors have no common base class.
        raise ModelUnloadable(f"The model loads but does not run: {str(error)[:300]}") from error


def _policy(config: EngineConfig, placement: ProviderChoice, fixed: float) -> BatchingPolicy:
    """The batching policy; options `batch_tokens`, `batch_wait_s`, `fixed_cost` override it."""
    options = config.options
    usual_tokens = GPU_BATCH_TOKENS if placement.on_gpu else BATCH_TOKENS
    usual_wait = GPU_WAIT_S if placement.on_gpu else 0.0
    return BatchingPolicy(
        fixed=float(options.get("fixed_cost", fixed)),
        most_tokens=int(options.get("batch_tokens", usual_tokens)),
        wait_s=float(options.get("batch_wait_s", usual_wait)),
    )


def _profiles(limit: int) -> dict[str, str]:
    """Shape profiles for TensorRT's one engine, so that no input length triggers a rebuild."""

    def shapes(texts: int, tokens: int) -> str:
        return ",".join(f"{name}:{texts}x{tokens}" for name in (IDS, MASK, KINDS))

    most = max(1, min(64, GPU_BATCH_TOKENS // limit))
    return {
        "trt_profile_min_shapes": shapes(1, 1),
        "trt_profile_opt_shapes": shapes(max(1, most // 2), min(limit, 128)),
        "trt_profile_max_shapes": shapes(64, limit),
    }
