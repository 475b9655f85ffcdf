"""Requests of the last minutes by user: how many, how many failed, and how long they took."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Case, case, func, select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.billing.traffic_step import quantile_within
from modelyard.registry.billing.usage import FAILED
from modelyard.registry.database import Database

RESPONSE_MS = (
    5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 350.0, 500.0, 750.0, 1000.0, 1500.0,
    2000.0, 3500.0, 5000.0, 7500.0, 10_000.0, 15_000.0, 20_000.0, 35_000.0, 60_000.0, 120_000.0,
    300_000.0, 600_000.0,
)  # fmt: skip
"""Upper bounds of the classes in which whole times are counted; the last is open."""


@dataclass(slots=True)
class ResponseTimes:
    """Requests that ended: of them `failed`, their times summed in ms, and counted by class."""

    requests: int = 0
    failed: int = 0
    total_ms: float = 0.0
    counts: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def mean_ms(self) -> float | None:
        return self.total_ms / self.requests if self.requests else None

    def quantile_ms(self, share: float) -> float | None:
        """The time that `share` (0..1) of the requests stay within; None without any."""
        return quantile_within(RESPONSE_MS, self.counts, share)

    def add(self, place: int, requests: int, failed: int, total_ms: float) -> None:
        self.requests += requests
        self.failed += failed
        self.total_ms += total_ms
        self.counts[place] = self.counts.get(place, 0) + requests


@dataclass(frozen=True, slots=True)
class ResponseBook:
    """Reads the usage table, in one query."""

    db: Database

    def since(self, minutes: int, user_id: str | None = None) -> dict[str, ResponseTimes]:
        """What began in the last `minutes`, by user id: of everybody, or of one user."""
        place = _class_of_time().label("place")
        query = (
            select(
                UsageRow.user_id,
                place,
                func.count(),
                func.sum(FAILED),
                func.sum(UsageRow.total_ms),
            )
            .where(UsageRow.at >= int(time.time() * 1000) - minutes * 60_000)
            .group_by(UsageRow.user_id, place)
        )
        if user_id is not None:
            query = query.where(UsageRow.user_id == user_id)
        found = dict[str, ResponseTimes]()
        with self.db.read() as session:
            for user, *row in session.execute(query):
                found.setdefault(user, ResponseTimes()).add(
                    int(row[0]), int(row[1]), int(row[2]), float(row[3])
                )
        return found


def together(each: Iterable[ResponseTimes]) -> ResponseTimes:
    """Those of several users as one."""
    whole = ResponseTimes()
    for times in each:
        whole.requests += times.requests
        whole.failed += times.failed
        whole.total_ms += times.total_ms
        for place, count in times.counts.items():
            whole.counts[place] = whole.counts.get(place, 0) + count
    return whole


def _class_of_time() -> Case[int]:
    classes = [(UsageRow.total_ms <= most, i) for i, most in enumerate(RESPONSE_MS)]
    return case(*classes, else_=len(RESPONSE_MS))
