"""What a request that was answered teaches of its worker's speeds."""

from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica

LEAST_PREFILL = 64
LEAST_DECODE = 8
"""Tokens below which a measurement is mostly noise."""


def learn_prompt(pending: PendingRequest, replica: Replica, tokens: float, took_s: float) -> None:
    """A prompt of so many tokens was computed in so many seconds."""
    if tokens >= LEAST_PREFILL and took_s > 0:
        busy = _concurrency(pending, replica)
        expected = replica.pace.prefill.at(busy) * tokens
        replica.pace.prefill.learn(busy, tokens, took_s)
        replica.worker.slowdown.learn(expected, took_s)


def learn_answer(
    pending: PendingRequest, replica: Replica, output_tokens: int, took_s: float
) -> None:
    """An answer was written after its first token.

    The time in which prompts were computed meanwhile is not its own.
    """
    tokens = output_tokens - 1
    if tokens >= LEAST_DECODE and took_s > 0:
        worker = replica.worker
        busy = _concurrency(pending, replica)
        prompts = worker.prompts - pending.prompts_before
        others_s = prompts * replica.pace.prefill.at(0) * worker.slowdown.factor
        own_s = max(0.2 * took_s, took_s - others_s)
        expected = replica.pace.decode.at(busy) * tokens
        replica.pace.decode.learn(busy, tokens, own_s)
        worker.slowdown.learn(expected, own_s)


def _concurrency(pending: PendingRequest, replica: Replica) -> float:
    """Requests that the worker had meanwhile: the mean of then and now."""
    return (pending.concurrency + replica.worker.concurrency) / 2
