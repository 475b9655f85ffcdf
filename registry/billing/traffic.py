"""Traffic over time, summed from usage rows: requests, failures, tokens, time to first token."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Case, case, func, select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.billing.usage import FAILED
from modelyard.registry.database import Database

FIRST_TOKEN_MS = (
    10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 350.0, 500.0, 750.0, 1000.0, 1500.0,
    2000.0, 3500.0, 5000.0, 10_000.0, 20_000.0, 60_000.0,
)  # fmt: skip
"""Upper bounds of the classes in which times to the first token are counted; the last is open."""


@dataclass(frozen=True, slots=True)
class TrafficStep:
    """What began in one step of time; `at` is its beginning in ms since 1970.

    `first_token_ms` counts requests by the classes of FIRST_TOKEN_MS, with one more for longer
    ones; requests whose engine never answered are in none.
    """

    at: int
    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    first_token_ms: dict[int, int] = field(default_factory=dict[int, int])

    def quantile_ms(self, share: float) -> float | None:
        """The time to first token that `share` (0..1) of requests stay within; None without any.

        Within a class times are taken to be spread evenly; beyond the last bound it is that bound.
        """
        return quantile_ms([self.first_token_ms], share)


def quantile_ms(counts: Iterable[dict[int, int]], share: float) -> float | None:
    """As `TrafficStep.quantile_ms`, over several steps together."""
    added: dict[int, int] = {}
    for each in counts:
        for place, count in each.items():
            added[place] = added.get(place, 0) + count
    left = share * sum(added.values())
    for place, count in sorted(added.items()):
        if left <= count:
            low = FIRST_TOKEN_MS[place - 1] if place else 0.0
            high = FIRST_TOKEN_MS[min(place, len(FIRST_TOKEN_MS) - 1)]
            return low + (high - low) * left / count
        left -= count
    return None


@dataclass(frozen=True, slots=True)
class TrafficBook:
    """Reads the usage table by steps of time, in one query."""

    db: Database

    def since(self, minutes: int, step_s: int, user_id: str | None = None) -> list[TrafficStep]:
        """Every step of the last `minutes`, oldest first, the one that has begun last included.

        Counts everybody's requests, or those of one user.
        """
        step_ms = step_s * 1000
        now = int(time.time() * 1000)
        first = (now - minutes * 60_000) // step_ms
        steps = {step: TrafficStep(step * step_ms) for step in range(first, now // step_ms + 1)}
        step = UsageRow.at.op("/")(step_ms).label("step")
        place = _class_of_first_token().label("place")
        query = (
            select(
                step,
                place,
                func.count(),
                func.sum(FAILED),
                func.sum(UsageRow.prompt_tokens),
                func.sum(UsageRow.output_tokens),
            )
            .where(UsageRow.at >= first * step_ms)
            .group_by(step, place)
        )
        if user_id is not None:
            query = query.where(UsageRow.user_id == user_id)
        with self.db.read() as session:
            for number, *row in session.execute(query):
                if int(number) in steps:
                    steps[int(number)] = _added(steps[int(number)], row)
        return list(steps.values())


def _added(step: TrafficStep, row: Sequence[int | None]) -> TrafficStep:
    place, requests, failed, prompt, output = (None if v is None else int(v) for v in row)
    counts = step.first_token_ms if place is None else {**step.first_token_ms, place: requests or 0}
    return TrafficStep(
        step.at,
        step.requests + (requests or 0),
        step.failed + (failed or 0),
        step.prompt_tokens + (prompt or 0),
        step.output_tokens + (output or 0),
        counts,
    )


def _class_of_first_token() -> Case[int | None]:
    classes = [(UsageRow.first_byte_ms <= most, i) for i, most in enumerate(FIRST_TOKEN_MS)]
    unknown = (UsageRow.first_byte_ms.is_(None), None)
    return case(unknown, *classes, else_=len(FIRST_TOKEN_MS))
