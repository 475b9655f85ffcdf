"""A gateway client: answers are typed, failures are errors that people can read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from modelyard.registry.errors import ModelyardError, NotAuthenticated, NotPermitted
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.web.forwarded import HEADER
from modelyard.serving.wire.admin.account import Me, Session
from modelyard.serving.wire.admin.devices import (
    DeviceDetail,
    DeviceHistoryReply,
    DeviceList,
    DeviceSummary,
)
from modelyard.serving.wire.admin.people import (
    CreatedKey,
    KeyEntry,
    KeyList,
    UserEntry,
    UserList,
)
from modelyard.serving.wire.admin.promotion import NewPromotion, PromotionReply
from modelyard.serving.wire.admin.quotas import NewQuota, UserQuota
from modelyard.serving.wire.admin.registered import (
    LifecycleRun,
    LifecycleRuns,
    RegisteredModel,
    RegisteredModels,
)
from modelyard.serving.wire.admin.run_orders import NewIngest, NewRemoval, RunOrderReply
from modelyard.serving.wire.admin.traffic import TrafficReply
from modelyard.serving.wire.admin.unloading import UnloadReply

T = TypeVar("T", bound=BaseModel)

UNLOAD_S = 60.0
"""Seconds that a version may take to leave its devices, as long as somebody looks at the page."""

_NO_MORE: Mapping[str, str] = MappingProxyType({})
TIMEOUT = httpx2.Timeout(5.0, connect=2.0)
"""Timeouts in seconds; after one the page shows a message and asks again."""


class GatewayUnreachable(ModelyardError):
    """The gateway does not answer at its address, or not in time."""

    code = "gateway_unreachable"


class GatewayFault(ModelyardError):
    """The gateway answered with an error, or not as its API specifies."""

    code = "gateway_fault"


class _Problem(BaseModel):
    """The fields of an RFC 9457 problem that the pages show."""

    title: str = ""
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """A client of one gateway, authenticated by an API key or a token."""

    url: str
    http: httpx2.Client = field(repr=False)
    credential: str = field(default="", repr=False)

    @classmethod
    def at(cls, url: str) -> "GatewayClient":
        """A client for the gateway at `url`; it ignores proxies set in the environment."""
        http = httpx2.Client(
            base_url=url, timeout=TIMEOUT, transport=httpx2.HTTPTransport(retries=1)
        )
        return cls(url, http)

    def using(self, credential: str) -> "GatewayClient":
        return replace(self, credential=credential)

    def login(self, name: str, password: str, browser: str = "") -> Session:
        """Log in; `browser` is the signed address of the browser whose tries are counted."""
        body = {"name": name, "password": password}
        told = {HEADER: browser} if browser else {}
        return decode(self.ask("POST", "/api/v1/login", told, json=body), Session)

    def me(self) -> Me:
        return decode(self.ask("GET", "/api/v1/me"), Me)

    def traffic(self, minutes: int = 60, step_s: int = 60) -> TrafficReply:
        """Requests, tokens and times of the last minutes: one's own, for admins everybody's."""
        asked = {"minutes": minutes, "step": step_s}
        return decode(self.ask("GET", "/api/v1/usage/history", params=asked), TrafficReply)

    def gpus(self) -> list[DeviceSummary]:
        return decode(self.ask("GET", "/api/v1/gpus"), DeviceList).gpus

    def gpu(self, gpu_id: str) -> DeviceDetail:
        """One device, with the requests that run on it."""
        return decode(self.ask("GET", f"/api/v1/gpus/{part(gpu_id)}"), DeviceDetail)

    def history(self, gpu_id: str, step_s: int = 60) -> DeviceHistoryReply:
        """A device's samples of the last hour."""
        path = f"/api/v1/gpus/{part(gpu_id)}/history"
        return decode(self.ask("GET", path, params={"step": step_s}), DeviceHistoryReply)

    def set_maintenance(self, gpu_id: str, *, on: bool, reason: str) -> None:
        """Take a device out of work, or give it back."""
        path = f"/api/v1/admin/gpus/{part(gpu_id)}/maintenance"
        self.ask("PUT", path, json={"on": on, "reason": reason})

    def clear_faults(self, gpu_id: str) -> None:
        """Let a device work again after faults that somebody has seen to."""
        self.ask("POST", f"/api/v1/admin/gpus/{part(gpu_id)}/clear")

    def models(self) -> list[RegisteredModel]:
        return decode(self.ask("GET", "/api/v1/models"), RegisteredModels).models

    def promote(self, asked: NewPromotion, wait_s: float) -> PromotionReply:
        """Move an alias once its new version answers: takes up to `wait_s` seconds, and loads."""
        body = asked.model_dump(exclude_none=True)
        patience = httpx2.Timeout(wait_s + 60.0, connect=2.0)
        path = "/api/v1/admin/promotions"
        return decode(self.ask("POST", path, json=body, timeout=patience), PromotionReply)

    def add_model(self, asked: NewIngest) -> RunOrderReply:
        body = asked.model_dump(exclude_none=True)
        return decode(self.ask("POST", "/api/v1/admin/ingests", json=body), RunOrderReply)

    def remove_model(self, asked: NewRemoval) -> RunOrderReply:
        body = asked.model_dump()
        return decode(self.ask("POST", "/api/v1/admin/removals", json=body), RunOrderReply)

    def unload(self, model: str) -> UnloadReply:
        """Free the memory that a version takes; waits for requests that run."""
        patience = httpx2.Timeout(UNLOAD_S, connect=2.0)
        path = "/api/v1/admin/unloads"
        answer = self.ask("POST", path, json={"model": model}, timeout=patience)
        return decode(answer, UnloadReply)

    def cancel_run(self, run_id: str) -> RunOrderReply:
        return decode(self.ask("POST", f"/api/v1/runs/{part(run_id)}/cancel"), RunOrderReply)

    def retry_run(self, run_id: str) -> RunOrderReply:
        return decode(self.ask("POST", f"/api/v1/runs/{part(run_id)}/retry"), RunOrderReply)

    def order(self, order_id: str) -> RunOrderReply:
        """How far an order is, and the run that came of it."""
        path = f"/api/v1/admin/orders/{part(order_id)}"
        return decode(self.ask("GET", path), RunOrderReply)

    def runs(self) -> list[LifecycleRun]:
        return decode(self.ask("GET", "/api/v1/runs"), LifecycleRuns).runs

    def users(self) -> list[UserEntry]:
        return decode(self.ask("GET", "/api/v1/admin/users"), UserList).users

    def add_user(self, name: str, role: str, password: str | None) -> UserEntry:
        body = {"name": name, "role": role, "password": password}
        return decode(self.ask("POST", "/api/v1/admin/users", json=body), UserEntry)

    def set_disabled(self, user_id: str, *, disabled: bool) -> UserEntry:
        path = f"/api/v1/admin/users/{part(user_id)}"
        return decode(self.ask("PATCH", path, json={"disabled": disabled}), UserEntry)

    def set_password(self, user_id: str, password: str) -> UserEntry:
        path = f"/api/v1/admin/users/{part(user_id)}"
        return decode(self.ask("PATCH", path, json={"password": password}), UserEntry)

    def remove_user(self, user_id: str) -> None:
        """Remove a user with keys and quota for good."""
        self.ask("DELETE", f"/api/v1/admin/users/{part(user_id)}")

    def keys(self) -> list[KeyEntry]:
        """One's own keys; for admins everybody's."""
        return decode(self.ask("GET", "/api/v1/keys"), KeyList).keys

    def create_key(self, name: str, user: str) -> CreatedKey:
        body = {"name": name, "user": user}
        return decode(self.ask("POST", "/api/v1/keys", json=body), CreatedKey)

    def revoke_key(self, key_id: str) -> None:
        self.ask("DELETE", f"/api/v1/keys/{part(key_id)}")

    def quota(self) -> UserQuota:
        """One's own quota."""
        return decode(self.ask("GET", "/api/v1/quota"), UserQuota)

    def set_quota(self, user_id: str, quota: NewQuota) -> UserQuota:
        body = quota.model_dump(mode="json", exclude_none=True)
        path = f"/api/v1/admin/users/{part(user_id)}/quota"
        return decode(self.ask("PUT", path, json=body), UserQuota)

    def ask(
        self, method: str, path: str, more: Mapping[str, str] = _NO_MORE, **body: Any
    ) -> httpx2.Response:
        """Ask and return an answer that is no refusal; `more` are headers, `body` the client's."""
        own = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
        try:
            answer = self.http.request(method, path, headers={**own, **more}, **body)
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None
        if not answer.is_success:
            raise _refusal(answer)
        return answer

    def _unreachable(self, error: httpx2.RequestError) -> GatewayUnreachable:
        slow = isinstance(error, httpx2.TimeoutException)
        how = "does not answer in time" if slow else "does not answer"
        return GatewayUnreachable(
            f"The gateway at `{without_logins(self.url)}` {how}.",
            fix="Is it running? `modelyard up` or `modelyard gateway` starts one.",
        )


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def decode(answer: httpx2.Response, shape: type[T]) -> T:
    """The answer's body in its shape; raises GatewayFault where it has another."""
    try:
        return shape.model_validate_json(answer.content)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}" for e in error.errors()[:3])
        raise GatewayFault(
            f"{answer.request.url.path} did not answer as expected: {wrong.strip()}.",
            fix="Are gateway and dashboard of the same version of Modelyard?",
        ) from None


def _refusal(answer: httpx2.Response) -> ModelyardError:
    problem = _problem(answer)
    said = problem.detail or problem.title
    message = said or f"The gateway answered {answer.status_code} {answer.reason_phrase}."
    if answer.status_code == 401:
        return NotAuthenticated(message, fix=problem.fix)
    if answer.status_code == 403:
        return NotPermitted(message, fix=problem.fix)
    return GatewayFault(message, fix=problem.fix)


def _problem(answer: httpx2.Response) -> _Problem:
    try:
        return _Problem.model_validate_json(answer.content)
    except ValidationError:
        return _Problem()  # such as a proxy's page: only the status is useful
