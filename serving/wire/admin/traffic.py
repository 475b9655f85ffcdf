"""GET /api/v1/usage/history: requests, tokens and time to first token over the last minutes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel

from modelyard.registry.billing.traffic_step import TrafficStep, quantile_ms


class TrafficPoint(BaseModel):
    """What began within one step; times in ms, null where no engine answered."""

    time: datetime
    requests: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    first_token_p50: float | None
    first_token_p95: float | None

    @classmethod
    def of(cls, step: TrafficStep) -> Self:
        return cls(
            time=datetime.fromtimestamp(step.at / 1000, UTC),
            requests=step.requests,
            failed=step.failed,
            prompt_tokens=step.prompt_tokens,
            output_tokens=step.output_tokens,
            first_token_p50=step.quantile_ms(0.5),
            first_token_p95=step.quantile_ms(0.95),
        )


class TrafficReply(BaseModel):
    """Oldest point first; `step` in seconds; the last step is not over yet.

    The two times are over all steps together.
    """

    step: int
    points: list[TrafficPoint]
    first_token_p50: float | None
    first_token_p95: float | None

    @classmethod
    def of(cls, step_s: int, steps: Sequence[TrafficStep]) -> Self:
        counts = [step.first_token_ms for step in steps]
        return cls(
            step=step_s,
            points=[TrafficPoint.of(step) for step in steps],
            first_token_p50=quantile_ms(counts, 0.5),
            first_token_p95=quantile_ms(counts, 0.95),
        )
