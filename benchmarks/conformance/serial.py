"""What llama_cpp's own serial evaluation says of the same questions: the answers to agree with."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conformance.questions import MultipleChoice


def likelihoods(model: Path, asked: list[MultipleChoice]) -> list[list[float]]:
    """The log-probability of each choice after its text."""
    from llama_cpp import Llama

    llama: Any = Llama(str(model), n_ctx=1024, logits_all=True, verbose=False)
    found = [[_likelihood(llama, q.text, choice) for choice in q.choices] for q in asked]
    llama.close()
    return found


def _likelihood(llama: Any, text: str, choice: str) -> float:
    before = len(llama.tokenize(text.encode()))
    tokens = llama.tokenize((text + choice).encode())
    llama.reset()
    llama.eval(tokens)
    scores = np.array(llama.scores[before - 1 : len(tokens) - 1], np.float64)
    logprobs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return float(logprobs[range(len(tokens) - before), tokens[before:]].sum())
