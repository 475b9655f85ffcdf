"""The questions of OpenAI's Files and Batch APIs that the client asks."""

from typing import IO

from modelyard.serving.client.asking import Question

BATCHES = "/v1/batches"
FILES = "/v1/files"
BATCH_ENDS = frozenset({"completed", "failed", "expired", "cancelled"})


def upload(file: IO[bytes], name: str) -> Question:
    """`file` has to be open in binary and stand at its beginning."""
    return Question(
        method="POST",
        path=FILES,
        form={"purpose": "batch"},
        files={"file": (name, file, "application/jsonl")},
        is_repeatable=False,
    )


def create(input_file_id: str, endpoint: str) -> Question:
    body = {"input_file_id": input_file_id, "endpoint": endpoint, "completion_window": "24h"}
    return Question(method="POST", path=BATCHES, body=body, is_repeatable=False)


def get(batch_id: str) -> Question:
    return Question(method="GET", path=f"{BATCHES}/{batch_id}")


def page(most: int, after: str) -> Question:
    query: dict[str, str | int] = {"limit": most}
    return Question(method="GET", path=BATCHES, query={**query, "after": after} if after else query)


def cancel(batch_id: str) -> Question:
    return Question(method="POST", path=f"{BATCHES}/{batch_id}/cancel")


def content(file_id: str) -> Question:
    return Question(method="GET", path=f"{FILES}/{file_id}/content")
