"""GET /api/v1/usage: usage totals."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Self

from pydantic import BaseModel

from modelyard.registry.billing.usage import DAY_MS, UsageTotal


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
    def of(cls, total: UsageTotal) -> Self:
        day = datetime.fromtimestamp(total.day * DAY_MS / 1000, UTC).date()
        return cls.model_validate({**asdict(total), "day": day})


class UsageReport(BaseModel):
    """The latest day first; requests of the last second may be missing."""

    usage: list[UsageDay]
