"""The OpenAPI document says what the routes do, as schemathesis finds by asking each of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from modelyard.registry.runs.flow_processes import FlowProcesses
from tests.serving.installation import Installation
from tests.serving.processes import PATIENT, environment, gateway_process

TRIES = 4
"""Requests to each operation, by each of the three."""

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/api/v1/notices/stream"
"""It sends for ever, where it lets somebody in."""


def operations(document: dict[str, Any]) -> Iterator[Any]:
    for found in from_dict(document).get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path != ENDLESS:
            yield operation


def cases(operation: Any) -> SearchStrategy[Any]:
    """What the document allows, and of bodies also what it does not."""
    right: SearchStrategy[Any] = operation.as_strategy()
    if not operation.body:
        return right
    return right | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


@dataclass(frozen=True, slots=True)
class Asker:
    """One of the three, with what it has been answered; `beat` says that the flows are there."""

    url: str
    headers: dict[str, str]
    session: requests.Session
    beat: Callable[[], None]
    seen: set[int] = field(default_factory=set[int])

    def ask(self, operation: Any) -> None:
        """Some requests to an operation; raises what schemathesis finds in the answers."""
        self.beat()
        settled = settings(
            max_examples=TRIES,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        settled(given(case=cases(operation))(self._check))()

    def _check(self, case: Any) -> None:
        case.headers.pop("Authorization", None)
        answer = case.call(self.url, self.session, headers=self.headers, timeout=60)
        self.seen.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        case.validate_response(answer, checks=CHECKS)


@pytest.mark.slow(seconds=60)
def test_every_answer_is_in_the_document(lite: Installation, tmp_path: Path) -> None:
    """No status, type or shape that is not, and no 5xx but a 503 that says what is missing."""
    lite.filled.add("talker")
    lite.worker()
    flows = FlowProcesses(lite.database)
    env = environment(tmp_path, lite.settings.database_url) | PATIENT
    wrong = list[str]()
    with gateway_process(env, tmp_path) as gateway, requests.Session() as session:
        session.trust_env = False
        admin, ada, nobody = (
            Asker(gateway.url, headers, session, lambda: flows.beat("flows"))
            for headers in (bearing(lite.admin), bearing(lite.ada), {})
        )
        for operation in operations(lite.app().openapi()):
            for asker in (admin, ada, nobody):
                try:
                    asker.ask(operation)
                except (FailureGroup, AssertionError) as error:
                    wrong.append(f"{operation.label}: {str(error)[:1000]}")
    assert wrong == [], "\n".join(wrong)
    assert admin.seen & {200, 201, 202}
    assert {200, 403} <= ada.seen
    assert 401 in nobody.seen


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
