"""How much an ONNX engine does at once: lanes, tokens in one run, tokens of one text."""

import os

USUAL_LENGTH = 512
"""Tokens of a text where neither the model nor the settings say."""

BATCH_TOKENS = 256
"""On a processor: more in one run gains nothing, and whoever is in it waits for all of it."""

GPU_BATCH_TOKENS = 16_384


def lane_count(threads: int) -> int:
    """One-thread runs side by side: as many as asked, else as there are cores."""
    return threads or len(os.sched_getaffinity(0))


def text_limit(positions: int, asked: int) -> int:
    """As asked and never more than the model has positions for; 0 is not known or not asked."""
    own = positions or asked or USUAL_LENGTH
    return min(own, asked or own)
