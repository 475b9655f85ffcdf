"""Makes a job of checked fields: its body, its sizes and the digest that tells it from others."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from modelyard.registry.jobs.job import JobType, NewJob
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.gateway.sizing import output_tokens
from modelyard.serving.jobs.intake.acting import Acting
from modelyard.serving.jobs.intake.payload import checked_body, engine_body, type_of
from modelyard.serving.wire.admin.requests import RequestedWork
from modelyard.serving.wire.openai.request_head import prompt_tokens, read_head


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job is handed in with besides its work; the lines of a batch share most of it.

    `place` is its line in the batch `batch_id`, and `custom_id` the line's own name.
    """

    timeout_s: float
    priority: int
    callback_url: str | None = None
    batch_id: str | None = None
    place: int = 0
    custom_id: str | None = None


def job_of_work(asked: RequestedWork, acting: Acting, terms: Terms) -> NewJob:
    """The job of a submission or of a batch's line; raises InvalidRequest, which names the field.

    Of a flow, its deployment and parameters are still to be checked.
    """
    if asked.type.is_flow:
        path = asked.type.value
        body = json.dumps(asked.payload, separators=(",", ":")).encode()
        output = 0
    else:
        fit = engine_body(asked.type, asked.model_id, asked.payload)
        path = fit.path
        body = fit.body
        output = _output(asked.type, body)
        _check_inputs(asked, fit.inputs)
    needs = asked.resource_requirements
    return NewJob(
        id=str(asked.request_id or uuid.uuid4()),
        user_id=acting.user.user_id,
        asked_by=acting.asked_by.user_id,
        model=asked.model_id,
        type=asked.type,
        path=path,
        body=body,
        priority=terms.priority,
        timeout_s=terms.timeout_s,
        digest=digest_of(asked, acting, terms),
        prompt_tokens=prompt_tokens(body),
        output_tokens=output,
        resources=needs.model_dump(exclude_none=True) if needs else {},
        callback_url=terms.callback_url,
        batch_id=terms.batch_id,
        place=terms.place,
        custom_id=terms.custom_id,
    )


def job_of_body(path: str, body: bytes, acting: Acting, terms: Terms) -> NewJob:
    """The job of a body for a route under /v1; raises InvalidRequest, which names the field."""
    head = read_head(body)
    checked_body(path, body)
    kind = type_of(path)
    return NewJob(
        id=str(uuid.uuid4()),
        user_id=acting.user.user_id,
        asked_by=acting.asked_by.user_id,
        model=head.model,
        type=kind,
        path=path,
        body=body,
        priority=terms.priority,
        timeout_s=terms.timeout_s,
        digest=hashlib.sha256(body).hexdigest(),
        prompt_tokens=prompt_tokens(body),
        output_tokens=_output(kind, body),
        callback_url=terms.callback_url,
        batch_id=terms.batch_id,
        place=terms.place,
        custom_id=terms.custom_id,
    )


def digest_of(asked: RequestedWork, acting: Acting, terms: Terms) -> str:
    """The sha256 of all that was handed in, in one order of keys; what is left out is its default.

    Who hands it in is no part of it: the user, and a service on the user's behalf, mean the same.
    """
    needs = asked.resource_requirements
    whole: dict[str, Any] = {
        "user_id": acting.user.user_id,
        "model_id": asked.model_id,
        "priority": asked.priority,
        "type": asked.type.value,
        "resource_requirements": needs.model_dump(exclude_none=True) if needs else {},
        "timeout": terms.timeout_s,
        "callback_url": terms.callback_url,
        "payload": asked.payload,
    }
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _output(kind: JobType, body: bytes) -> int:
    """The most tokens that it may generate."""
    return output_tokens(read_head(body)) if kind is JobType.INFERENCE else 0


def _check_inputs(asked: RequestedWork, inputs: int) -> None:
    needs = asked.resource_requirements
    most = needs.max_batch_size if needs else None
    if most is not None and inputs > most:
        raise InvalidRequest(
            f"'payload' holds {inputs} inputs, and 'max_batch_size' allows {most}.",
            param="resource_requirements.max_batch_size",
            fix="Raise it, or hand the inputs in as several requests.",
        )
