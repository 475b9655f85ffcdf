"""Draws the next token with the request's own llama.cpp sampler chain."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp as lib

from modelyard.serving.engines.generation import Sampling
from modelyard.serving.engines.llama_cpp.model.binding import Logits

_RANDOM = 0xFFFFFFFF  # llama.cpp's value for "no seed"


@dataclass(frozen=True, slots=True)
class Scope:
    """A chain's vocabulary size, and how many tokens back penalties look."""

    words: int
    context: int


class SamplerChain:
    """A chain in llama.cpp's usual order: bias, penalties, top-k, top-p, min-p, temperature.

    The repetition penalty includes the prompt; presence and frequency count only output, as
    OpenAI's.
    """

    def __init__(self, sampling: Sampling, prompt: Sequence[int], scope: Scope) -> None:
        self._chain: Any = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for step in _steps(sampling, prompt, scope):
            lib.llama_sampler_chain_add(self._chain, step)

    def sample(self, context: Any, index: int, row: Logits) -> int:
        """Draw from the logits of one token of the last batch, and remember what was drawn."""
        return lib.llama_sampler_sample(self._chain, context, index)

    def apply(self, candidates: Any) -> None:
        """Choose among candidates; call `accept` to record the choice."""
        lib.llama_sampler_apply(self._chain, candidates)

    def accept(self, token: int) -> None:
        lib.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        lib.llama_sampler_free(self._chain)
        self._chain = None


def _steps(sampling: Sampling, prompt: Sequence[int], scope: Scope) -> Iterable[Any]:
    if sampling.logit_bias:
        yield _bias(sampling.logit_bias, scope.words)
    if sampling.repetition_penalty != 1:
        yield _repetition(sampling.repetition_penalty, prompt, scope)
    if sampling.presence_penalty or sampling.frequency_penalty:
        yield lib.llama_sampler_init_penalties(
            scope.words, scope.context, 1.0, sampling.frequency_penalty, sampling.presence_penalty
        )
    if sampling.temperature == 0:
        yield lib.llama_sampler_init_greedy()
        return
    yield from _draw(sampling)


def _repetition(penalty: float, prompt: Sequence[int], scope: Scope) -> Any:
    step = lib.llama_sampler_init_penalties(scope.words, scope.context, penalty, 0.0, 0.0)
    for token in prompt:
        lib.llama_sampler_accept(step, token)
    return step


def _draw(sampling: Sampling) -> Iterable[Any]:
    if sampling.top_k:
        yield lib.llama_sampler_init_top_k(sampling.top_k)
    if sampling.top_p < 1:
        yield lib.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p:
        yield lib.llama_sampler_init_min_p(sampling.min_p, 1)
    yield lib.llama_sampler_init_temp(sampling.temperature)
    seed = secrets.randbits(32) if sampling.seed is None else sampling.seed
    yield lib.llama_sampler_init_dist(seed % _RANDOM)


def _bias(biases: Sequence[tuple[int, float]], words: int) -> Any:
    native = (lib.llama_logit_bias * len(biases))()
    for place, (token, bias) in zip(native, biases, strict=True):
        place.token = token
        place.bias = bias
    return lib.llama_sampler_init_logit_bias(words, len(biases), native)
