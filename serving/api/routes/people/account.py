"""POST /api/v1/login and GET /api/v1/me."""

import asyncio

from fastapi import APIRouter, Request, Response

from modelyard.registry.identity.sessions import LIFE
from modelyard.registry.web.forwarded import HEADER
from modelyard.serving.api.disconnect import DisconnectWatcher, Soon
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.gateway.request import CLIENT_GONE
from modelyard.serving.wire.admin.account import LoginRequest, Me, Session

router = APIRouter(prefix="/api/v1", tags=["account"])


@router.post("/login", response_model=Session)
async def login(asked: LoginRequest, request: Request, services: TheServices) -> Session | Response:
    """Exchange a name and password for a session token; given up when the client leaves."""
    peer = request.client.host if request.client else ""
    address = services.logins.address_of(peer, request.headers.get(HEADER, ""))
    watcher = DisconnectWatcher(request.receive, Soon())
    watcher.watch()
    try:
        token = await services.logins.login(asked.name, asked.password, address)
    except asyncio.CancelledError:
        watcher.swallow()
        return Response(status_code=CLIENT_GONE)
    finally:
        watcher.stop()
    return Session(access_token=token, expires_in=int(LIFE.total_seconds()))


@router.get("/me")
async def me(caller: TheCaller) -> Me:
    """Say whose credential this is."""
    return Me(user_id=caller.user_id, name=caller.name, role=caller.role)
