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
from modelyard.serving.wire.admin.devices import DeviceHistoryReply, DeviceList, DeviceSummary
from modelyard.serving.wire.admin.registered import (
    LifecycleRun,
    LifecycleRuns,
    RegisteredModel,
    RegisteredModels,
)

T = TypeVar("T", bound=BaseModel)

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
        return _decode(self._ask("POST", "/api/v1/login", told, json=body), Session)

    def me(self) -> Me:
        return _decode(self._ask("GET", "/api/v1/me"), Me)

    def gpus(self) -> list[DeviceSummary]:
        return _decode(self._ask("GET", "/api/v1/gpus"), DeviceList).gpus

    def history(self, gpu_id: str, step_s: int = 60) -> DeviceHistoryReply:
        """A device's samples of the last hour."""
        path = f"/api/v1/gpus/{quote(gpu_id, safe='')}/history"
        return _decode(self._ask("GET", path, params={"step": step_s}), DeviceHistoryReply)

    def models(self) -> list[RegisteredModel]:
        return _decode(self._ask("GET", "/api/v1/models"), RegisteredModels).models

    def runs(self) -> list[LifecycleRun]:
        return _decode(self._ask("GET", "/api/v1/runs"), LifecycleRuns).runs

    def _ask(
        self, method: str, path: str, more: Mapping[str, str] = _NO_MORE, **body: Any
    ) -> httpx2.Response:
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


def _decode(answer: httpx2.Response, shape: type[T]) -> T:
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
