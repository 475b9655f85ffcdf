"""POST /api/v1/login and GET /api/v1/me."""

from fastapi import APIRouter, Request

from registry.tokens import LIFE
from serving.api.parts import TheCaller, TheParts
from serving.wire.account import Login, Me, Session

router = APIRouter(prefix="/api/v1", tags=["account"])


@router.post("/login")
async def login(asked: Login, request: Request, parts: TheParts) -> Session:
    """Exchange a name and password for a session token."""
    address = request.client.host if request.client else ""
    token = await parts.logins.login(asked.name, asked.password, address)
    return Session(access_token=token, expires_in=int(LIFE.total_seconds()))


@router.get("/me")
async def me(caller: TheCaller) -> Me:
    """Say whose credential this is."""
    return Me(user_id=caller.user_id, name=caller.name, role=caller.role)
