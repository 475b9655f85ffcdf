"""How much work a body is, guessed from its bytes: no tokenizer runs in the gateway."""

from registry.quotas import Quota
from serving.routing.work import Work
from serving.wire.wanted import prompt_tokens

BLOCK_BYTES = 1024
"""One prefix block: about 256 tokens."""

MOST_BLOCKS = 128


def work_of(request_id: str, body: bytes, output_tokens: int, quota: Quota, priority: int) -> Work:
    """`output_tokens`: the most that the answer may have; the quota is the asker's."""
    user_id, gpus = quota.user_id, quota.gpu_limit
    prompt = max(1, prompt_tokens(body))
    blocks = _blocks(user_id, body)
    return Work(request_id, user_id, priority, prompt, output_tokens, blocks, gpus)


def _blocks(user_id: str, body: bytes) -> tuple[int, ...]:
    """Hashes of whole blocks, each of all before it too; within this process only."""
    if len(body) < BLOCK_BYTES:
        return ()
    found, last = list[int](), hash(user_id)
    whole = min(len(body) // BLOCK_BYTES, MOST_BLOCKS)
    for start in range(0, whole * BLOCK_BYTES, BLOCK_BYTES):
        last = hash((last, body[start : start + BLOCK_BYTES]))
        found.append(last)
    return tuple(found)
