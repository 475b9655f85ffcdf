"""An alias that was moved in MLflow becomes a promotion, once; one moved here is told soon."""

import pytest
from mlflow.tracking import MlflowClient

from modelyard.flows.context import FlowContext
from modelyard.flows.reconciling import Reconciler
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.mlflow.drift import AliasDrift
from modelyard.registry.mlflow.mirror import mlflow_name
from tests.flows.upkeep.registered import registered

MODEL = "o/m"


@pytest.fixture
def client(context: FlowContext, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """MLflow, where two versions are, of which the first is champion."""
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(context.registry.data_dir))
    for content in ("one", "two"):
        registered(context, MODEL, content)
    return MlflowClient(context.registry.mlflow, registry_uri=context.registry.mlflow)


def champion(context: FlowContext) -> int:
    return context.catalog.find(ModelRef.parse(MODEL)).number


def test_a_champion_moved_in_mlflow_is_promoted_here(
    context: FlowContext, client: MlflowClient
) -> None:
    """By the command that people use; then both agree, and nothing is left to do."""
    client.set_registered_model_alias(mlflow_name(MODEL), "champion", "2")
    Reconciler(context).bring_together()
    assert champion(context) == 2
    assert context.aliases.drift() == []


def test_a_promotion_by_the_api_is_told_with_the_next_look(
    context: FlowContext, client: MlflowClient
) -> None:
    """The gateway moves the alias without MLflow; nobody waits for the daily upkeep."""
    context.catalog.set_alias(MODEL, "champion", 2)
    Reconciler(context).bring_together()
    held = client.get_model_version_by_alias(mlflow_name(MODEL), "champion")
    assert str(held.version) == "2"


def test_a_promotion_that_fails_is_not_tried_with_every_look(
    context: FlowContext, client: MlflowClient
) -> None:
    """But again after its wait, and at once where MLflow's alias moves on."""
    tried: list[str] = []

    def fail(drift: AliasDrift) -> str:
        tried.append(drift.ref)
        return "it cannot be loaded"

    client.set_registered_model_alias(mlflow_name(MODEL), "champion", "2")
    patient = Reconciler(context, follow=fail)
    for _ in range(3):
        patient.bring_together()
    assert tried == ["o/m@2"]
    hasty = Reconciler(context, follow=fail, retry_s=0.0)
    for _ in range(2):
        hasty.bring_together()
    assert tried == ["o/m@2"] * 3
    held = client.get_model_version_by_alias(mlflow_name(MODEL), "champion")
    assert str(held.version) == "2", "what somebody wanted stays visible"
