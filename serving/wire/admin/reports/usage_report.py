"""GET /api/v1/usage: usage totals."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel

if TYPE_CHECKING:
    from modelyard.registry.billing.usage import UsageTotal

FIRST_DAY = date(1970, 1, 1)


class UsageDay(BaseModel):
    """One user's requests to one model on one day (UTC); `failed` of them through our fault."""

    day: date
    user: str
    model: str
    requests: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, total: "UsageTotal") -> Self:
        day = FIRST_DAY + timedelta(days=total.day)
        return cls.model_validate({**asdict(total), "day": day})


class UsageReport(BaseModel):
    """The latest day first; requests of the last second may be missing."""

    usage: list[UsageDay]
