"""The flows' settings go by the names people know from the Hub and from Prefect."""

import pytest

from modelyard.flows.settings import FlowSettings
from modelyard.registry.errors import SettingsInvalid
from modelyard.registry.settings import load


def test_the_hub_s_own_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT and HF_TOKEN, as for the Hub's own tools."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8090/")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub = load(FlowSettings).hub
    assert (hub.endpoint, hub.token) == ("http://127.0.0.1:8090", "hf_secret")
    assert "hf_secret" not in repr(hub)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HF_ENDPOINT", "ftp://x"), ("MODELYARD_HUB_ATTEMPTS", "0"), ("MODELYARD_GATE_MAX_KL", "-1")],
)
def test_a_wrong_value_is_told_by_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name to look for, and the value that was found there."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=variable):
        load(FlowSettings)
