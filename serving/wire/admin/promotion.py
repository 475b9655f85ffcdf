"""POST /api/v1/admin/promotions: the version an alias is to move to, and the outcome."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from modelyard.registry.catalog.model import CHAMPION, Preparing


class NewPromotion(BaseModel):
    """`model` is model@version or model@alias; the candidate of a model where it is the name alone.

    Without `wait` the alias moves at once, else once the version answers or after `wait_s` seconds
    (left out: as the gateway is set). With `force` it moves also where it cannot be loaded.
    """

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(max_length=200)]
    alias: Annotated[str, Field(max_length=64)] = CHAMPION
    wait: Annotated[bool, Field(strict=True)] = True
    wait_s: Annotated[float, Field(ge=1, le=7200)] | None = None
    force: Annotated[bool, Field(strict=True)] = False


class PromotionReply(BaseModel):
    """The alias has moved.

    `outcome` says why then: prepared, bound_reached, no_worker, not_waited or forced; `devices`
    are those on which the version answered, `seconds` what it was waited for.
    """

    model: str
    number: int
    alias: str
    outcome: str
    message: str
    devices: list[str]
    seconds: float


class PreparingFor(BaseModel):
    """An alias that a version is made ready for, since when and until when at the latest."""

    alias: str
    since: datetime
    until: datetime

    @classmethod
    def all_of(cls, preparing: tuple[Preparing, ...]) -> list[Self]:
        """The preparations that still run; those of a dead promoter have expired."""
        now = datetime.now(UTC)
        return [
            cls(alias=p.alias, since=p.since, until=p.until) for p in preparing if p.until > now
        ]
