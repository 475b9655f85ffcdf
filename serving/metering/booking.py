"""One request's entry in the ledger: entered or released once, whichever comes first."""

from typing import Protocol

from msgspec.structs import replace

from modelyard.registry.billing.usage import UsageRecord
from modelyard.serving.metering.journal import Journal
from modelyard.serving.metering.segment import Segment
from modelyard.serving.observability.request_record import RequestRecord
from modelyard.serving.wire.openai.usage import TokenCounts


class Rows(Protocol):
    """The part of the ledger that a booking uses."""

    journal: Journal

    def put(self, row: UsageRecord, segment: Segment) -> None: ...


class Booking:
    """Holds the `reserved` row, which is booked unchanged if the process dies."""

    __slots__ = ("is_open", "reserved", "rows", "segment")

    def __init__(self, rows: Rows, reserved: UsageRecord, segment: Segment) -> None:
        self.rows = rows
        self.reserved = reserved
        self.segment = segment
        self.is_open = True

    def enter(self, record: RequestRecord, counts: TokenCounts, device_id: str) -> None:
        """Enter how the request ended, unless it was entered or released before."""
        if not self.is_open:
            return
        self.is_open = False
        record.is_booked = True
        row = replace(
            self.reserved,
            device_id=device_id,
            status=str(record.status or 500),
            prompt_tokens=counts.prompt_tokens,
            cached_tokens=counts.cached_tokens,
            output_tokens=counts.completion_tokens,
            first_byte_ms=record.first_byte_ms,
            total_ms=record.total_ms,
        )
        self.rows.put(row, self.segment)

    def release(self) -> None:
        """Drop the entry: the request used nothing."""
        if self.is_open:
            self.is_open = False
            self.rows.journal.settle([self.segment])
