"""`models add` while MLflow dies: an error of ours, nothing half-registered, and then the rest."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from modelyard.registry.mlflow.mirror import mlflow_name
from modelyard.registry.runs.state import RunState
from tests.flows.harness import REPO, FlowHarness
from tests.servers.mlflow import MlflowProxy, proxy_before, running_mlflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BEFORE_THE_VERSION = 6
"""Experiment, run, its values, its end, the model: then comes the version."""


@pytest.fixture
def proxy(tmp_path: Path) -> Generator[MlflowProxy]:
    with running_mlflow(tmp_path) as server, proxy_before(server) as proxy:
        yield proxy


def test_mlflow_dies_in_the_middle_of_a_registration(
    harness: FlowHarness, proxy: MlflowProxy
) -> None:
    """One line and what to do; no champion anywhere; the same command again completes it."""
    proxy.kill_at = (BEFORE_THE_VERSION, False)
    failed = harness.add(MODELYARD_MLFLOW_URI=proxy.url)
    assert proxy.changes[-1].endswith("model-versions/create")
    assert (failed.status, failed.out) == (10, "")
    assert "does not answer" in failed.err
    assert "Traceback" not in failed.err
    assert harness.versions() == []
    assert harness.runs()[0].state is RunState.FAILED
    assert json.loads(harness.run("models", "list", "--json").out) == []
    proxy.server.start()
    client = MlflowClient(proxy.server.url, registry_uri=proxy.server.url)
    name = mlflow_name(REPO)
    assert client.get_registered_model(name).aliases == {}
    (version,) = harness.add(MODELYARD_MLFLOW_URI=proxy.url).document["versions"]
    assert version["aliases"] == ["champion"]
    held = client.get_model_version_by_alias(name, "champion")
    assert str(held.version) == version["mlflow_version"]
    assert len(client.search_model_versions(f"name='{name}'")) == 1
