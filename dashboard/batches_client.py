"""What the pages ask the gateway about batches."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.dashboard.client import GatewayClient, decode, part
from modelyard.serving.wire.admin.batches import BatchPage


@dataclass(frozen=True, slots=True)
class BatchesClient:
    """The batches that the user of a gateway client may see: its own, for admins everybody's."""

    gateway: GatewayClient

    def page(self, asked: Mapping[str, str | int]) -> BatchPage:
        """Batches by the parameters of `GET /api/v1/batches`, the latest first."""
        return decode(self.gateway.ask("GET", "/api/v1/batches", params=dict(asked)), BatchPage)

    def cancel(self, batch_id: str) -> None:
        """End one of the user's own, by OpenAI's API."""
        self.gateway.ask("POST", f"/v1/batches/{part(batch_id)}/cancel")
