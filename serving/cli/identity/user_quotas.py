"""A user's quota, in the registry here or at a gateway elsewhere."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from modelyard.registry.billing.quota import Quota, QuotaChange
from modelyard.registry.billing.quotas import Quotas
from modelyard.serving.cli.connection import GatewayConnection, elsewhere
from modelyard.serving.cli.identity.directory import USERS, GatewayDirectory
from modelyard.serving.wire.admin.quotas import UserQuota


class UserQuotas(Protocol):
    """What a command reads and sets; a user is named by the id that `named` gives."""

    def named(self, name: str) -> str: ...
    def find(self, user_id: str) -> Quota: ...
    def set(self, user_id: str, change: QuotaChange) -> Quota: ...


@dataclass(frozen=True, slots=True)
class GatewayQuotas:
    """The quotas behind a gateway's API."""

    gateway: GatewayConnection

    def named(self, name: str) -> str:
        return GatewayDirectory(self.gateway).id_of(name)

    def find(self, user_id: str) -> Quota:
        return _quota(self.gateway.ask("GET", f"{USERS}/{user_id}/quota"))

    def set(self, user_id: str, change: QuotaChange) -> Quota:
        until = change.expiration_time
        body = {
            "gpu_limit": change.gpu_limit,
            "request_limit": change.request_limit,
            "priority_limit": change.priority_limit,
            "expiration_time": until.isoformat() if until else None,
            "request_count": change.request_count,
        }
        return _quota(self.gateway.ask("PUT", f"{USERS}/{user_id}/quota", body))


@contextmanager
def user_quotas() -> Generator[UserQuotas]:
    """The quotas that a command works with, for its length."""
    if gateway := elsewhere():
        yield GatewayQuotas(gateway)
        return
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        yield Quotas(registry.database)


def _quota(told: dict[str, Any]) -> Quota:
    quota = UserQuota.model_validate(told)
    return Quota(
        user_id=quota.user_id,
        gpu_limit=quota.gpu_limit,
        request_limit=quota.request_limit,
        request_count=quota.request_count,
        priority_limit=quota.priority_limit,
        expiration_time=quota.expiration_time,
    )
