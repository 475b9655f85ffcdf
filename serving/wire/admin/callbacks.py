"""/api/v1/callbacks and /api/v1/requests/{request_id}/callbacks: what was told, where, and how."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from modelyard.registry.callbacks.addresses import FailingAddress
    from modelyard.registry.callbacks.book import CallbackView
    from modelyard.registry.callbacks.secrets import SecretView


class CallbackTryEntry(BaseModel):
    """One try: the HTTP status of its answer, or in `error` why there was none."""

    number: int
    at: datetime
    duration_ms: float
    status: int | None
    error: str | None


class CallbackEntry(BaseModel):
    """A callback: `id` is its webhook id, the same at every try; `subject` is what it tells of.

    `state` is waiting, delivered or failed; `next_try_at` is there while it waits.
    """

    id: str
    user_id: str
    subject: str
    kind: str
    url: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    next_try_at: datetime | None
    tries: list[CallbackTryEntry]

    @classmethod
    def of(cls, view: "CallbackView") -> Self:
        return cls.model_validate(asdict(view))


class CallbackList(BaseModel):
    """Callbacks with their tries."""

    callbacks: list[CallbackEntry]


class SigningSecret(BaseModel):
    """A signing secret without its text; `expires_at` where a newer one replaces it."""

    id: str
    created_at: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, view: "SecretView") -> Self:
        return cls.model_validate(asdict(view))


class SigningSecretList(BaseModel):
    """The caller's secrets that sign now, the newest first."""

    secrets: list[SigningSecret]


class CreatedSecret(SigningSecret):
    """A secret that has just been made: the only time its text, `whsec_…`, is shown."""

    secret: str


class CallbackAddress(BaseModel):
    """An address, a URL without its query, that fails; `disabled_at` where it was switched off."""

    url: str
    user_id: str
    failing_since: datetime
    disabled_at: datetime | None
    reason: str

    @classmethod
    def of(cls, address: "FailingAddress") -> Self:
        return cls.model_validate(asdict(address))


class CallbackAddressList(BaseModel):
    """Addresses that fail; one that takes its callbacks is not listed."""

    addresses: list[CallbackAddress]


class AddressChange(BaseModel):
    """The address to switch on again: one's own, or by an admin that of the user of `user_id`."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://example.com/done"}]}
    )

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    user_id: Annotated[str, Field(min_length=1, max_length=36)] | None = None
