"""POST /api/v1/login and GET /api/v1/me."""

from fastapi import APIRouter, Request

from modelyard.registry.identity.sessions import LIFE
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.account import LoginRequest, Me, Session

router = APIRouter(prefix="/api/v1", tags=["account"])


@router.post("/login")
async def login(asked: LoginRequest, request: Request, services: TheServices) -> Session:
    """Exchange a name and password for a session token."""
    address = request.client.host if request.client else ""
    token = await services.logins.login(asked.name, asked.password, address)
    return Session(access_token=token, expires_in=int(LIFE.total_seconds()))


@router.get("/me")
async def me(caller: TheCaller) -> Me:
    """Say whose credential this is."""
    return Me(user_id=caller.user_id, name=caller.name, role=caller.role)
