"""Traffic over time, summed from usage rows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Case, case, func, select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.billing.traffic_step import FIRST_TOKEN_MS, TrafficStep
from modelyard.registry.billing.usage import FAILED
from modelyard.registry.database import Database


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
