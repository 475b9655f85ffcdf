"""Limits on requests a minute, an hour and at a time, for the gateway and for each user."""

from dataclasses import dataclass, replace
from typing import Protocol

MINUTE_US = 60_000_000
HOUR_US = 3_600_000_000


class Configured(Protocol):
    """The settings that define the limits; 0 means no limit."""

    rpm: int
    rph: int
    user_rpm: int
    user_rph: int
    max_concurrency: int
    user_max_concurrency: int


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` requests in any `period_us` microseconds."""

    name: str
    limit: int
    period_us: int
    per_user: bool

    def __str__(self) -> str:
        whose = "a user's" if self.per_user else "the gateway's"
        unit = "minute" if self.period_us == MINUTE_US else "hour"
        return f"{whose} {self.limit} requests a {unit}"


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits; a concurrency of 0 means no limit, and a rate without a limit is left out."""

    rates: tuple[Rate, ...] = ()
    live: int = 0
    user_live: int = 0

    @classmethod
    def of(cls, settings: Configured) -> "Limits":
        rates = (
            Rate("rpm", settings.rpm, MINUTE_US, per_user=False),
            Rate("rph", settings.rph, HOUR_US, per_user=False),
            Rate("user_rpm", settings.user_rpm, MINUTE_US, per_user=True),
            Rate("user_rph", settings.user_rph, HOUR_US, per_user=True),
        )
        limited = tuple(rate for rate in rates if rate.limit)
        return cls(limited, settings.max_concurrency, settings.user_max_concurrency)

    def share(self, gateways: int) -> "Limits":
        """The limits of one of several gateways that acts alone; no limit falls below 1."""
        if gateways == 1:
            return self
        rates = tuple(replace(rate, limit=part(rate.limit, gateways)) for rate in self.rates)
        return Limits(rates, part(self.live, gateways), part(self.user_live, gateways))

    @property
    def limited(self) -> bool:
        return bool(self.rates or self.tracks_live)

    @property
    def tracks_live(self) -> bool:
        return bool(self.live or self.user_live)


def part(limit: int, gateways: int) -> int:
    """One gateway's share of a limit: at least 1, except that 0 (no limit) stays 0."""
    return max(1, limit // gateways) if limit else 0
