"""What the pages ask the gateway about requests that outlive a connection, and about batches."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.dashboard.client import GatewayClient, decode, part
from modelyard.serving.wire.admin.callbacks import CallbackEntry, CallbackList
from modelyard.serving.wire.admin.requests import (
    CancelledRequest,
    QueueLine,
    QueueOverview,
    RequestDetail,
    RequestPage,
)

REQUESTS = "/api/v1/requests"


@dataclass(frozen=True, slots=True)
class RequestsClient:
    """The requests that the user of a gateway client may see: its own, for admins everybody's."""

    gateway: GatewayClient

    def page(self, asked: Mapping[str, str | int]) -> RequestPage:
        """Requests by the filters of `GET /api/v1/requests`, the latest first."""
        return decode(self.gateway.ask("GET", REQUESTS, params=dict(asked)), RequestPage)

    def queue(self) -> list[QueueLine]:
        """What waits and runs, by model and priority."""
        return decode(self.gateway.ask("GET", f"{REQUESTS}/queue"), QueueOverview).queue

    def one(self, request_id: str) -> RequestDetail:
        return decode(self.gateway.ask("GET", f"{REQUESTS}/{part(request_id)}"), RequestDetail)

    def cancel(self, request_id: str) -> CancelledRequest:
        path = f"{REQUESTS}/{part(request_id)}"
        return decode(self.gateway.ask("DELETE", path), CancelledRequest)

    def callbacks(self, request_id: str) -> list[CallbackEntry]:
        """What was told of a request, with every try."""
        path = f"{REQUESTS}/{part(request_id)}/callbacks"
        return decode(self.gateway.ask("GET", path), CallbackList).callbacks

    def resend(self, callback_id: str) -> CallbackEntry:
        path = f"/api/v1/admin/callbacks/{part(callback_id)}/resend"
        return decode(self.gateway.ask("POST", path), CallbackEntry)
