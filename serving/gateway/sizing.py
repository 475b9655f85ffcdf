"""Estimates a request's work from the bytes of its body; the gateway runs no tokenizer."""

from modelyard.registry.billing.quota import Quota
from modelyard.serving.gateway.request import GatewayRequest
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.priority import granted
from modelyard.serving.wire.openai.request_head import RequestHead, prompt_tokens

BLOCK_BYTES = 1024
"""One prefix block: about 256 tokens."""

MOST_BLOCKS = 128

USUAL_OUTPUT = 256
MOST_OUTPUT = 1_000_000
"""Tokens reserved for an answer whose request sets no limit, and the most that are reserved."""


def work_of(request: GatewayRequest, head: RequestHead, quota: Quota) -> RoutedRequest:
    """The router's view of a request; `head` comes from its body, `quota` is its caller's.

    Raises NotPermitted if the priority is above the quota's limit.
    """
    return RoutedRequest(
        request.record.request_id,
        quota.user_id,
        granted(request.priority, quota),
        max(1, prompt_tokens(request.body)),
        output_tokens(head),
        _blocks(quota.user_id, request.body),
        quota.gpu_limit,
    )


def output_tokens(head: RequestHead) -> int:
    """The token limit of all requested answers together, at most MOST_OUTPUT."""
    limit = _count(head.max_completion_tokens) or _count(head.max_tokens) or USUAL_OUTPUT
    return min(limit * (_count(head.n) or 1), MOST_OUTPUT)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _blocks(user_id: str, body: bytes) -> tuple[int, ...]:
    """Hashes of whole blocks, each covering all before it; valid in this process only."""
    if len(body) < BLOCK_BYTES:
        return ()
    found = list[int]()
    last = hash(user_id)
    whole = min(len(body) // BLOCK_BYTES, MOST_BLOCKS)
    for start in range(0, whole * BLOCK_BYTES, BLOCK_BYTES):
        last = hash((last, body[start : start + BLOCK_BYTES]))
        found.append(last)
    return tuple(found)
