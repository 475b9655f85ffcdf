"""What is handed in: a payload from a file, from standard input, or made of one prompt."""

import json
import sys
from pathlib import Path
from typing import Any

from modelyard.registry.errors import ModelyardError
from modelyard.registry.jobs.job import JobType

MOST_BYTES = 64 * 1024 * 1024


class PayloadUnfit(ModelyardError):
    """What is to be handed in is no JSON object, or there is none."""

    code = "invalid_payload"
    exit_code = 2


def payload_of(
    kind: JobType, prompt: str | None, file: Path | None, max_tokens: int | None
) -> dict[str, Any]:
    """The payload; raises PayloadUnfit. A file `-` is standard input."""
    if (prompt is None) == (file is None):
        raise PayloadUnfit(
            "Either a prompt or a payload has to be given.",
            fix='A prompt as an argument, or --payload FILE with JSON such as {"messages": […]}.',
        )
    payload = _read(file) if file is not None else _of_prompt(kind, prompt or "")
    return payload if max_tokens is None else {**payload, "max_tokens": max_tokens}


def _of_prompt(kind: JobType, prompt: str) -> dict[str, Any]:
    if kind is JobType.INFERENCE:
        return {"messages": [{"role": "user", "content": prompt}]}
    if kind in {JobType.EMBEDDING, JobType.CLASSIFY}:
        return {"input": prompt}
    raise PayloadUnfit(
        f"A request of type {kind} takes more than a prompt.", fix="Give it as --payload FILE."
    )


def _read(file: Path) -> dict[str, Any]:
    text = sys.stdin.read(MOST_BYTES) if str(file) == "-" else file.read_text()
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise PayloadUnfit(f"{file} is not JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise PayloadUnfit(f"{file} holds no JSON object.", fix='It begins with "{".')
    return payload
