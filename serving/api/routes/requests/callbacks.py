"""Callbacks as their users see them: every try, the signing secrets, addresses that fail."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from modelyard.registry.errors import NotPermitted
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.callbacks import (
    AddressChange,
    CallbackAddress,
    CallbackAddressList,
    CallbackEntry,
    CallbackList,
    CreatedSecret,
    SigningSecret,
    SigningSecretList,
)

router = APIRouter(prefix="/api/v1", tags=["callbacks"])

_ADMIN = admin_or(
    "Only an admin may send a callback again.", fix="Read the result: GET /api/v1/requests/{id}."
)


@router.get("/requests/{request_id}/callbacks")
async def list_callbacks_of_request(
    request_id: str, services: TheServices, caller: TheCaller
) -> CallbackList:
    """What was told of a request, and each try; 404 for another user's request."""
    job = await services.requests.find(request_id, caller)
    views = await asyncio.to_thread(services.callbacks.book.of_subject, job.id)
    return CallbackList(callbacks=[CallbackEntry.of(view) for view in views])


@router.get("/callbacks")
async def list_callbacks(
    services: TheServices,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    subject: Annotated[str, Query(max_length=50, description="A request's or batch's id.")] = "",
) -> CallbackList:
    """The caller's callbacks, the newest first; admins see everybody's."""
    whose = None if caller.is_admin else caller.user_id
    views = await asyncio.to_thread(services.callbacks.book.newest, whose, subject, limit)
    return CallbackList(callbacks=[CallbackEntry.of(view) for view in views])


@router.post("/admin/callbacks/{callback_id}/resend", dependencies=[Depends(_ADMIN)])
async def resend_callback(callback_id: str, services: TheServices) -> CallbackEntry:
    """Send a callback again now, with the same webhook id; for admins."""
    return CallbackEntry.of(await asyncio.to_thread(services.callbacks.book.resend, callback_id))


@router.get("/callbacks/secrets")
async def list_secrets(services: TheServices, caller: TheCaller) -> SigningSecretList:
    """The caller's signing secrets, without their texts."""
    views = await asyncio.to_thread(services.callbacks.secrets.of, caller.user_id)
    return SigningSecretList(secrets=[SigningSecret.of(view) for view in views])


@router.post("/callbacks/secrets", status_code=201)
async def make_secret(services: TheServices, caller: TheCaller) -> CreatedSecret:
    """Make a signing secret; the ones before it sign along for a day.

    Its text is in this answer and nowhere else.
    """
    view, text = await asyncio.to_thread(services.callbacks.secrets.make, caller.user_id)
    return CreatedSecret(
        id=view.id, created_at=view.created_at, expires_at=view.expires_at, secret=text
    )


@router.delete("/callbacks/secrets/{secret_id}", status_code=204)
async def end_secret(secret_id: str, services: TheServices, caller: TheCaller) -> Response:
    """End one of the caller's signing secrets at once."""
    await asyncio.to_thread(services.callbacks.secrets.end, caller.user_id, secret_id)
    return Response(status_code=204)


@router.get("/callbacks/addresses")
async def list_addresses(services: TheServices, caller: TheCaller) -> CallbackAddressList:
    """The caller's addresses that fail or are switched off; admins see everybody's."""
    whose = None if caller.is_admin else caller.user_id
    failing = await asyncio.to_thread(services.callbacks.addresses.failing, whose)
    return CallbackAddressList(addresses=[CallbackAddress.of(address) for address in failing])


@router.post("/callbacks/addresses/enable", status_code=204)
async def enable_address(
    asked: AddressChange, services: TheServices, caller: TheCaller
) -> Response:
    """Switch an address on again; callbacks that failed meanwhile stay failed."""
    user_id = asked.user_id or caller.user_id
    if user_id != caller.user_id and not caller.is_admin:
        raise NotPermitted(
            "Only an admin may switch on the addresses of others.", fix="Leave `user_id` away."
        )
    await asyncio.to_thread(services.callbacks.addresses.enable, user_id, asked.url)
    return Response(status_code=204)
