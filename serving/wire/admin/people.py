"""/api/v1/admin/users and /api/v1/keys: users and their API keys."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from modelyard.registry.identity.caller import Role
from modelyard.serving.wire.admin.quotas import UserQuota
from modelyard.serving.wire.times import ZonedTime

if TYPE_CHECKING:
    from modelyard.registry.identity.users import KeyView, UserView

Name = Annotated[str, Field(min_length=1, max_length=100)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=256)]


class UserEntry(BaseModel):
    """A person, or a program (`service`); without a password it has keys only.

    The quota's counts are those of about a second ago.
    """

    id: str
    name: str
    role: str
    disabled: bool
    has_password: bool
    created_at: datetime
    quota: UserQuota

    @classmethod
    def of(cls, user: "UserView", quota: UserQuota) -> Self:
        return cls.model_validate({**asdict(user), "quota": quota})


class UserList(BaseModel):
    """Every user, by name."""

    users: list[UserEntry]


class NewUser(BaseModel):
    """A user to add; without a password it can only be used with keys."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: Role = Role.USER
    password: Password | None = None


class UserChange(BaseModel):
    """What to change of a user; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    disabled: Annotated[bool, Field(strict=True)] | None = None
    password: Password | None = None


class KeyEntry(BaseModel):
    """An API key; `prefix` is the beginning of its text, which nobody can read again."""

    id: str
    user: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: "KeyView") -> Self:
        return cls.model_validate(asdict(key))


class KeyList(BaseModel):
    """Keys, the oldest first, revoked ones included."""

    keys: list[KeyEntry]


class NewKey(BaseModel):
    """A key to make: for the caller, or by an admin for `user`, a user's name."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    user: Name | None = None
    expires_at: ZonedTime | None = None

    @field_validator("expires_at")
    @classmethod
    def _to_come(cls, value: datetime | None) -> datetime | None:
        if value is not None and value <= datetime.now(UTC):
            raise ValueError("lies in the past: name a later time, or leave it away")
        return value


class CreatedKey(BaseModel):
    """A key that has just been made: the only time its text is shown."""

    key: str
    user: str
    name: str
    expires_at: datetime | None
