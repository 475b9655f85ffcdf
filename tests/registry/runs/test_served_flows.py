"""Which deployments requests may start is what the flows' process last wrote down."""

import pytest

from modelyard.registry.database import Database
from modelyard.registry.errors import FlowsAway, ParametersUnfit, UnknownDeployment
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.served_flows import ServedFlow, ServedFlows

TRAINING = ServedFlow(
    name="training",
    flow="lora",
    deployment_id="d1",
    parameters=("steps", "rate"),
    required=("steps",),
)
TUNING = ServedFlow(
    name="fine-tuning", flow="tune", deployment_id="d2", parameters=(), required=(), takes_any=True
)


@pytest.fixture
def flows(db: Database) -> ServedFlows:
    FlowProcesses(db).beat("a process")
    return ServedFlows(db)


def test_what_is_there_replaces_what_was(flows: ServedFlows) -> None:
    """A deployment that was deleted at Prefect is gone here too."""
    flows.replace([TRAINING, TUNING])
    assert flows.list() == [TUNING, TRAINING]
    flows.replace([TRAINING])
    assert (flows.list(), flows.of("training")) == ([TRAINING], TRAINING)
    flows.replace([])
    assert flows.list() == []


def test_an_unknown_one_is_refused_with_the_list(flows: ServedFlows) -> None:
    """And with what to do where there is none at all."""
    with pytest.raises(UnknownDeployment, match="deploy one"):
        flows.of("training")
    flows.replace([TUNING])
    with pytest.raises(UnknownDeployment, match="There is: 'fine-tuning'"):
        flows.of("training")


def test_nothing_is_promised_while_nobody_would_start_it(db: Database) -> None:
    """Without a flows' process a deployment that is written down helps nobody."""
    ServedFlows(db).replace([TRAINING])
    with pytest.raises(FlowsAway):
        ServedFlows(db).of("training")


def test_parameters_are_checked_by_name() -> None:
    """What is unknown or missing is named, with those there are."""
    TRAINING.check({"steps": 1, "rate": 0.1})
    TUNING.check({"anything": 1})
    with pytest.raises(ParametersUnfit, match=r"no parameter 'stepz'.*'steps', 'rate'"):
        TRAINING.check({"stepz": 1})
    with pytest.raises(ParametersUnfit, match="needs 'steps'"):
        TRAINING.check({"rate": 1})
