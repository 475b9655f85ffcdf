"""The serving tier's settings refuse what cannot work, by name, before anything starts."""

import pytest

from modelyard.registry.errors import SettingsInvalid
from modelyard.registry.settings import load, show_all
from modelyard.serving.settings import ServingSettings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MODELYARD_PORT", "70000"),
        ("MODELYARD_MEMORY_FRACTION", "1.5"),
        ("MODELYARD_PARALLEL", "0"),
        ("MODELYARD_NODE", "rack 7"),
        ("MODELYARD_GPU_LAYERS", "-2"),
    ],
)
def test_a_value_out_of_range_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """The message has the variable and what was given."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=f"{variable}={value!r}"):
        load(ServingSettings)


def test_a_worker_may_not_count_as_gone_between_two_heartbeats() -> None:
    """The two settings are checked against each other."""
    with pytest.raises(SettingsInvalid, match="at least twice"):
        load(ServingSettings, worker_heartbeat_s=10, worker_alive_s=15)
    assert load(ServingSettings).worker_alive_s == 15.0


def test_every_setting_says_what_it_means() -> None:
    """`modelyard config` shows a meaning for each."""
    assert not [name for name, f in ServingSettings.model_fields.items() if not f.description]


@pytest.mark.parametrize("name", ["rpm", "rph", "user_rpm", "user_rph"])
def test_rates_have_the_names_of_the_rollout_too(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """AI_RPM is MODELYARD_RPM; where both are set, ours wins; `config` says where it came from."""
    assert getattr(load(ServingSettings), name) == 0
    monkeypatch.setenv(f"AI_{name.upper()}", "7")
    assert getattr(load(ServingSettings), name) == 7
    (shown,) = [s for s in show_all() if s.variable == f"MODELYARD_{name.upper()}"]
    assert (shown.value, shown.origin) == ("7", "environment")
    monkeypatch.setenv(f"MODELYARD_{name.upper()}", "8")
    assert getattr(load(ServingSettings), name) == 8
