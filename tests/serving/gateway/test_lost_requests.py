"""A gateway that is killed in the middle of its work: what it had is booked, once."""

import time
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from tests.serving.installation import Installation, open_installation
from tests.serving.processes import PATIENT, environment, gateway_process

pytestmark = pytest.mark.slow


def rows(installation: Installation) -> list[tuple[str, int]]:
    with installation.database.read() as session:
        found = session.scalars(select(UsageRow).order_by(UsageRow.status))
        return [(row.status, row.output_tokens) for row in found]


def test_a_killed_gateway_s_requests_are_booked_as_lost(sqlite_url: str, tmp_path: Path) -> None:
    """The next gateways find them, both at the same time, and book them once."""
    env = environment(tmp_path, sqlite_url) | PATIENT
    body = {"model": "talker", "prompt": "Say", "max_tokens": 100, "stream": True}
    with open_installation(sqlite_url, tmp_path) as installation:
        version = installation.filled.add("talker")
        with installation.engine(version, delay_s=0.5):
            with (
                gateway_process(env, tmp_path) as gateway,
                gateway.http(installation.ada) as client,
                client.stream("POST", "/v1/completions", json=body) as answer,
            ):
                assert answer.status_code == 200
                pieces = answer.iter_bytes()
                next(pieces)
                gateway.process.kill()
                gateway.process.wait(60)
                with pytest.raises(httpx2.RemoteProtocolError):
                    list(pieces)
            assert rows(installation) == []
            with gateway_process(env, tmp_path), gateway_process(env, tmp_path):
                until = time.monotonic() + 60
                while not rows(installation):
                    assert time.monotonic() < until, "it was not booked"
                    time.sleep(0.1)
        assert rows(installation) == [("lost", 100)]
