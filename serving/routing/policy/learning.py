"""Updates the speed estimates of a worker from answered requests."""

from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica

LEAST_PREFILL = 64
LEAST_DECODE = 8
"""Tokens below which a measurement is mostly noise."""


def learn_prompt(pending: PendingRequest, replica: Replica, tokens: float, took_s: float) -> None:
    """Learn from a prompt: `tokens` computed in `took_s` seconds."""
    if tokens >= LEAST_PREFILL and took_s > 0:
        busy = _concurrency(pending, replica)
        expected = replica.pace.prefill.at(busy) * tokens
        replica.pace.prefill.learn(busy, tokens, took_s)
        replica.worker.slowdown.learn(expected, took_s)


def learn_answer(
    pending: PendingRequest, replica: Replica, output_tokens: int, took_s: float
) -> None:
    """Learn from an answer: the tokens after its first, written in `took_s` seconds.

    The estimated time for other prompts computed meanwhile is subtracted.
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
    """Requests on the worker meanwhile: the mean of the earlier and the current count."""
    return (pending.concurrency + replica.worker.concurrency) / 2
