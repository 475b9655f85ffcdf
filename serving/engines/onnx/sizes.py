"""Sizes of an ONNX engine's work: lanes, tokens per run, tokens per text."""

import os

USUAL_LENGTH = 512
"""Tokens per text if neither the model nor the settings limit them."""

BATCH_TOKENS = 256
"""On a CPU: larger runs gain nothing, and every text waits for its whole run."""

GPU_BATCH_TOKENS = 16_384


def lane_count(threads: int) -> int:
    """Number of parallel single-thread runs: as configured, else the number of cores."""
    return threads or len(os.sched_getaffinity(0))


def text_limit(positions: int, asked: int) -> int:
    """Tokens per text: `asked`, limited by the model's `positions`; 0 means unknown or not set."""
    own = positions or asked or USUAL_LENGTH
    return min(own, asked or own)
