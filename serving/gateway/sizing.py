"""How much work a body is, guessed from its bytes: no tokenizer runs in the gateway."""

from modelyard.registry.billing.quotas import Quota
from modelyard.serving.gateway.request import GatewayRequest
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.priority import granted
from modelyard.serving.wire.openai.request_head import RequestHead, prompt_tokens

BLOCK_BYTES = 1024
"""One prefix block: about 256 tokens."""

MOST_BLOCKS = 128

USUAL_OUTPUT = 256
MOST_OUTPUT = 1_000_000
"""Tokens reserved for an answer whose request sets no bound, and at most."""


def work_of(request: GatewayRequest, head: RequestHead, quota: Quota) -> RoutedRequest:
    """`head` was read from the request's body; the quota is its caller's."""
    return RoutedRequest(
        request.record.request_id,
        quota.user_id,
        granted(request.priority, quota),
        max(1, prompt_tokens(request.body)),
        _output(head),
        _blocks(quota.user_id, request.body),
        quota.gpu_limit,
    )


def _output(head: RequestHead) -> int:
    """The most tokens that the answers may have."""
    limit = _count(head.max_completion_tokens) or _count(head.max_tokens) or USUAL_OUTPUT
    return min(limit * (_count(head.n) or 1), MOST_OUTPUT)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _blocks(user_id: str, body: bytes) -> tuple[int, ...]:
    """Hashes of whole blocks, each of all before it too; within this process only."""
    if len(body) < BLOCK_BYTES:
        return ()
    found = list[int]()
    last = hash(user_id)
    whole = min(len(body) // BLOCK_BYTES, MOST_BLOCKS)
    for start in range(0, whole * BLOCK_BYTES, BLOCK_BYTES):
        last = hash((last, body[start : start + BLOCK_BYTES]))
        found.append(last)
    return tuple(found)
