"""What the pages ask the gateway about batches, by OpenAI's API."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from modelyard.dashboard.client import GatewayClient, decode, part

BATCHES = "/v1/batches"
_ENDS = frozenset({"completed", "failed", "expired", "cancelled"})


class ListedCounts(BaseModel):
    """How many of a batch's requests there are, are done, and have failed."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class ListedBatch(BaseModel):
    """The fields of OpenAI's batch that the page shows."""

    id: str
    status: str
    endpoint: str = ""
    created_at: datetime
    request_counts: ListedCounts = ListedCounts()

    @property
    def is_ended(self) -> bool:
        return self.status in _ENDS

    @property
    def is_cancelling(self) -> bool:
        return self.status == "cancelling"


class ListedBatches(BaseModel):
    """A page of batches, the latest first; `last_id` gets what comes after it."""

    data: list[ListedBatch]
    has_more: bool = False
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class BatchesClient:
    """The batches of the user of a gateway client."""

    gateway: GatewayClient

    def page(self, asked: Mapping[str, str | int]) -> ListedBatches:
        return decode(self.gateway.ask("GET", BATCHES, params=dict(asked)), ListedBatches)

    def cancel(self, batch_id: str) -> ListedBatch:
        path = f"{BATCHES}/{part(batch_id)}/cancel"
        return decode(self.gateway.ask("POST", path), ListedBatch)
