"""Texts of mixed lengths for the tiny tokenizer, the same in every run."""

import random

WORDS = "def return tests serving engine model the of a words array weights name vocabulary".split()  # noqa: SIM905


def texts(count: int, *, longest: int = 40, seed: int = 0) -> list[str]:
    """`count` texts of 1 to `longest` words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]
