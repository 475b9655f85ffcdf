"""POST /api/v1/route: hand in work, and get its id, its place and an estimate."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request

from modelyard.serving.api.documents import body_of
from modelyard.serving.api.long_bodies import read_as
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.jobs.telling import request_reply
from modelyard.serving.wire.admin.requests import RequestReply, Submission

router = APIRouter(prefix="/api/v1", tags=["requests"])


async def submission(request: Request) -> Submission:
    """The body, as long as one to a model may be."""
    return await read_as(Submission, request)


@router.post("/route", openapi_extra=body_of(Submission))
async def submit_request(
    services: TheServices,
    caller: TheCaller,
    asked: Annotated[Submission, Depends(submission)],
) -> RequestReply:
    """Queue one request; the same `request_id` with the same fields again is the same request."""
    return request_reply(await services.requests.submit(asked, caller))
