"""A user's quota over the API."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from modelyard.registry.billing.quota import HIGHEST_PRIORITY, Quota, QuotaChange
from modelyard.serving.wire.times import ZonedTime


class UserQuota(BaseModel):
    """What a user may use and has used; a limit of 0 is none.

    `gpu_usage` is on how many GPUs the user has work now, `request_count` what counts against
    `request_limit`; past `expiration_time` neither limit holds.
    """

    user_id: str
    gpu_limit: int
    gpu_usage: int
    request_limit: int
    request_count: int
    priority_limit: int
    expiration_time: datetime | None = None

    @classmethod
    def of(cls, quota: Quota, gpu_usage: int) -> "UserQuota":
        return cls(
            user_id=quota.user_id,
            gpu_limit=quota.gpu_limit,
            gpu_usage=gpu_usage,
            request_limit=quota.request_limit,
            request_count=quota.request_count,
            priority_limit=quota.priority_limit,
            expiration_time=quota.expiration_time,
        )


class NewQuota(BaseModel):
    """A quota as an admin sets it, whole; a `request_count` that is left out goes on as it is.

    What was read may be sent back: `user_id` has to be the address's, `gpu_usage` is measured.
    """

    model_config = ConfigDict(extra="forbid")

    user_id: str | None = None
    gpu_limit: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 0
    gpu_usage: Annotated[int, Field(strict=True, ge=0)] | None = None
    request_limit: Annotated[int, Field(strict=True, ge=0, le=2**53)] = 0
    request_count: Annotated[int, Field(strict=True, ge=0, le=2**53)] | None = None
    priority_limit: Annotated[int, Field(strict=True, ge=1, le=HIGHEST_PRIORITY)] = HIGHEST_PRIORITY
    expiration_time: ZonedTime | None = None

    @property
    def change(self) -> QuotaChange:
        return QuotaChange(
            self.gpu_limit,
            self.request_limit,
            self.priority_limit,
            self.expiration_time,
            self.request_count,
        )
