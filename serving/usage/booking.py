"""One request's place in the ledger: it is entered or released, whichever comes first."""

from typing import Protocol

from msgspec.structs import replace

from registry.usage import Used
from serving.trail import Trail
from serving.usage.journal import Journal, Segment
from serving.wire.usage import Counts


class Rows(Protocol):
    """The ledger as a booking knows it."""

    journal: Journal

    def put(self, row: Used, segment: Segment) -> None: ...


class Booking:
    """Holds what is booked if nothing more is heard of the request."""

    __slots__ = ("is_open", "reserved", "rows", "segment")

    def __init__(self, rows: Rows, reserved: Used, segment: Segment) -> None:
        self.rows = rows
        self.reserved = reserved
        self.segment = segment
        self.is_open = True

    def enter(self, trail: Trail, counts: Counts, device_id: str) -> bool:
        """The request has ended, and this is how; False where it was released before."""
        if not self.is_open:
            return False
        self.is_open = False
        row = replace(
            self.reserved,
            device_id=device_id,
            status=str(trail.status or 500),
            prompt_tokens=counts.prompt_tokens,
            cached_tokens=counts.cached_tokens,
            output_tokens=counts.completion_tokens,
            first_byte_ms=trail.first_byte_ms,
            total_ms=trail.total_ms,
        )
        self.rows.put(row, self.segment)
        return True

    def release(self) -> None:
        """Nothing was done for it."""
        if self.is_open:
            self.is_open = False
            self.rows.journal.settle([self.segment])
