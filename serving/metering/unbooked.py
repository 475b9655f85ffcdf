"""Requests to models that used nothing, for the access log: refused, or given up before an engine.

A flood of refusals is cheap for who sends it: between two writes a bounded number of lines is kept,
and what is beyond is counted.
"""

import time
from dataclasses import dataclass, field

from modelyard.registry.billing.usage import UsageRecord
from modelyard.serving.observability.request_record import RequestRecord

REFUSED = "refused"
"""Kind of a line about a request that used nothing."""

MOST = 1000


@dataclass(slots=True)
class UnbookedRequests:
    """At most `most` lines wait, 0 where nobody reads them; `left_out` counts the others."""

    most: int = 0
    left_out: int = 0
    _rows: list[UsageRecord] = field(default_factory=list[UsageRecord], init=False)

    def add(self, record: RequestRecord) -> None:
        """Note a request that has ended without being booked."""
        if len(self._rows) < self.most:
            self._rows.append(_row(record))
        elif self.most:
            self.left_out += 1

    def take(self) -> tuple[list[UsageRecord], int]:
        """The lines since the last call, and how many were left out."""
        rows = self._rows
        left_out = self.left_out
        self._rows = []
        self.left_out = 0
        return rows, left_out


def _row(record: RequestRecord) -> UsageRecord:
    total_ms = record.total_ms
    return UsageRecord(
        id=record.id,
        request_id=record.request_id,
        at=int(time.time() * 1000 - total_ms),
        user_id=record.user_id,
        model=record.model,
        version_id="",
        device_id="",
        route=record.route,
        status=str(record.status or 500),
        prompt_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        first_byte_ms=None,
        total_ms=total_ms,
        kind=REFUSED,
    )
