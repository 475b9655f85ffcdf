"""POST /api/v1/login and GET /api/v1/me: sessions and the caller's identity."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from modelyard.registry.identity.caller import Role


class LoginRequest(BaseModel):
    """A name and password, to be exchanged for a session."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=256)


class Session(BaseModel):
    """A session token, good for `expires_in` seconds."""

    access_token: str
    expires_in: int
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme


class Me(BaseModel):
    """The caller."""

    user_id: str
    name: str
    role: str

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN
