"""What a request that was answered teaches of its worker's speeds."""

from serving.routing.fleet_state import Lane, Ticket

LEAST_PREFILL, LEAST_DECODE = 64, 8
"""Tokens below which a measurement is mostly noise."""


def learn_prompt(ticket: Ticket, lane: Lane, tokens: float, took_s: float) -> None:
    """A prompt of so many tokens was computed in so many seconds."""
    if tokens >= LEAST_PREFILL and took_s > 0:
        busy = _concurrency(ticket, lane)
        expected = lane.pace.prefill.at(busy) * tokens
        lane.pace.prefill.learn(busy, tokens, took_s)
        lane.worker.drag.learn(expected, took_s)


def learn_answer(ticket: Ticket, lane: Lane, output_tokens: int, took_s: float) -> None:
    """An answer was written after its first token.

    The time in which prompts were computed meanwhile is not its own.
    """
    tokens = output_tokens - 1
    if tokens >= LEAST_DECODE and took_s > 0:
        worker, busy = lane.worker, _concurrency(ticket, lane)
        prompts = worker.prompts - ticket.prompts_before
        others_s = prompts * lane.pace.prefill.at(0) * worker.drag.factor
        own_s = max(0.2 * took_s, took_s - others_s)
        expected = lane.pace.decode.at(busy) * tokens
        lane.pace.decode.learn(busy, tokens, own_s)
        worker.drag.learn(expected, own_s)


def _concurrency(ticket: Ticket, lane: Lane) -> float:
    """Requests that the worker had meanwhile: the mean of then and now."""
    return (ticket.concurrency + lane.worker.concurrency) / 2
