"""POST /api/v1/route: hand in work, and get its id, its place and an estimate."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request

from modelyard.serving.api.documents import body_of
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.jobs.telling import request_reply
from modelyard.serving.wire.admin.requests import RequestReply, Submission
from modelyard.serving.wire.openai.body import read_object

router = APIRouter(prefix="/api/v1", tags=["requests"])

LONG_BODY = 16 * 1024
"""From so many bytes on a body is read in a thread, and no other request waits behind it."""


async def submission(request: Request) -> Submission:
    """The body, as long as one to a model may be; raises InvalidRequest and the framework's own."""
    body = await request.body()
    if len(body) < LONG_BODY:
        return read_submission(body)
    return await asyncio.to_thread(read_submission, body)


def read_submission(body: bytes) -> Submission:
    given = read_object(body)
    try:
        return Submission.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from None


@router.post("/route", openapi_extra=body_of(Submission))
async def submit_request(
    services: TheServices,
    caller: TheCaller,
    asked: Annotated[Submission, Depends(submission)],
) -> RequestReply:
    """Queue one request; the same `request_id` with the same fields again is the same request."""
    return request_reply(await services.requests.submit(asked, caller))
