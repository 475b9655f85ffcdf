"""Predicts an ONNX model's memory from its files alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.engines.onnx.description import describe
from modelyard.serving.engines.onnx.sizes import (
    BATCH_TOKENS,
    GPU_BATCH_TOKENS,
    lane_count,
    text_limit,
)
from modelyard.serving.errors import ModelUnloadable

_F32 = 4
_PROCESS = 104 * 1024 * 1024  # interpreter, server, ONNX Runtime, tokenizers
_CARD = 600 * 1024 * 1024  # a CUDA context and the workspaces of cuDNN and cuBLAS
_NO_WEIGHTS = frozenset({".json", ".md", ".model", ".onnx", ".safetensors", ".txt"})
_TOKENIZERS = 12
"""Bytes in memory per byte of tokenizer.json, for the two instances with and without truncation."""


def estimate(config: EngineConfig) -> Footprint:
    """Predict the memory of an engine process with these settings; raises ModelUnloadable."""
    path = Path(config.path)
    if not path.is_file():
        raise ModelUnloadable(f"{path} is no file.")
    description = describe(path, config.options)
    limit = text_limit(description.positions, config.context_length)
    words = description.root / "tokenizer.json"
    most = GPU_BATCH_TOKENS if config.gpu_layers else BATCH_TOKENS
    lanes = 1 if config.gpu_layers else lane_count(config.threads)
    tokenizer = _TOKENIZERS * words.stat().st_size if words.is_file() else 0
    return Footprint(
        weights=_weights(path),
        compute=lanes * _activations(description.config, max(most, limit), limit),
        process=_CARD if config.gpu_layers else _PROCESS + tokenizer,
    )


def _weights(path: Path) -> int:
    """The model file and external weight files beside it, whatever their names."""
    beside = [f for f in path.parent.iterdir() if f.is_file() and f.suffix not in _NO_WEIGHTS]
    return path.stat().st_size + sum(file.stat().st_size for file in beside)


def _activations(config: Mapping[str, Any], tokens: int, length: int) -> int:
    """Bytes that one run touches.

    They hold the attention scores of all heads, before and after softmax, the hidden states and
    their projections, and the feed-forward layer.
    """
    width = int(config.get("hidden_size") or 768)
    inner = int(config.get("intermediate_size") or 4 * width)
    heads = int(config.get("num_attention_heads") or 12)
    return tokens * (2 * heads * length + 3 * width + inner) * _F32
