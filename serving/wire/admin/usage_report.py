"""GET /api/v1/usage: usage totals."""

from datetime import date

from pydantic import BaseModel


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


class UsageReport(BaseModel):
    """The latest day first; requests of the last second may be missing."""

    usage: list[UsageDay]
