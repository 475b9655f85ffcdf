"""Times that clients send: with or without a zone, from FIRST_YEAR on."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

FIRST_YEAR = 1970


def in_utc(time: datetime) -> datetime:
    """The same time in UTC; a time without a zone counts as UTC. Raises ValueError."""
    try:
        utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("no calendar has this time") from None
    if utc.year < FIRST_YEAR:
        raise ValueError(f"a time before {FIRST_YEAR}")
    return utc


Time = Annotated[datetime, AfterValidator(in_utc)]
ZonedTime = Annotated[AwareDatetime, AfterValidator(in_utc)]
