"""The serving tier's settings refuse what cannot work, by name, before anything starts."""

import socket
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from modelyard.registry.errors import SettingsInvalid
from modelyard.registry.process.known_settings import check_file
from modelyard.registry.process.shown_settings import show_all
from modelyard.registry.settings import Section, load, sections, variable_of
from modelyard.serving.settings import FleetSettings, GatewaySettings
from modelyard.serving.worker.settings import WorkerSettings

OWN_SENSE = {"MODELYARD_GATEWAY_URL"}
"""For commands it may be empty, which is the gateway of the running `up`; a dashboard needs one."""


@pytest.mark.parametrize(
    ("section", "variable", "value"),
    [
        (GatewaySettings, "MODELYARD_PORT", "70000"),
        (GatewaySettings, "MODELYARD_WORKER_ALIVE_S", "0"),
        (GatewaySettings, "MODELYARD_QUEUE_ORDER", "fastest"),
        (WorkerSettings, "MODELYARD_MEMORY_FRACTION", "1.5"),
        (WorkerSettings, "MODELYARD_PARALLEL", "0"),
        (WorkerSettings, "MODELYARD_NODE", "rack 7"),
        (WorkerSettings, "MODELYARD_GPU_LAYERS", "-2"),
    ],
)
def test_a_value_out_of_range_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, section: type[Section], variable: str, value: str
) -> None:
    """The message has the variable and what was given."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=f"{variable}={value!r}"):
        load(section)


@pytest.mark.parametrize("section", [GatewaySettings, WorkerSettings])
def test_a_worker_may_not_count_as_gone_between_two_heartbeats(
    section: type[FleetSettings],
) -> None:
    """The two settings are checked against each other, by both processes that go by them."""
    with pytest.raises(SettingsInvalid, match="at least twice"):
        load(section, worker_heartbeat_s=10, worker_alive_s=15)
    assert load(section).worker_alive_s == 15.0


def test_every_setting_says_what_it_means() -> None:
    """`modelyard config` shows a meaning for each, of every process."""
    assert [one.variable for one in show_all() if not one.meaning] == []


def test_config_lists_the_settings_of_every_process_once() -> None:
    """Those of gateway, worker, engines, commands and flows; what two processes share is one."""
    listed = Counter(one.variable for one in show_all())
    for name in ("PORT", "WORKER_ALIVE_S", "NODE", "KV_TYPE", "API_KEY", "FLOW_THREADS"):
        assert listed[f"MODELYARD_{name}"] == 1, name
    assert {variable for variable, times in listed.items() if times > 1} == set()


def test_no_variable_has_two_defaults() -> None:
    """Where two processes read one name, it means the same to both."""
    defaults = defaultdict[str, set[str]](set)
    for _, section in sections():
        for name, field in section.model_fields.items():
            defaults[variable_of(name, field)].add(repr(field.default))
    assert {variable for variable, found in defaults.items() if len(found) > 1} == OWN_SENSE


@pytest.mark.parametrize(("wrong", "right"), [("prot", "port"), ("kv_typ", "kv_type")])
def test_a_mistyped_setting_is_refused_with_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, right: str
) -> None:
    """In the file, whichever process's setting it is: every process reads the same file."""
    (tmp_path / "modelyard.toml").write_text(f'{wrong} = "1"\n')
    monkeypatch.delenv("MODELYARD_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsInvalid) as refused:
        check_file()
    assert refused.value.fix == f"Did you mean {right}?"


@pytest.mark.parametrize("name", ["rpm", "rph", "user_rpm", "user_rph"])
def test_rates_have_the_names_of_the_rollout_too(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """AI_RPM is MODELYARD_RPM; where both are set, ours wins; `config` says where it came from."""
    assert getattr(load(GatewaySettings), name) == 0
    monkeypatch.setenv(f"AI_{name.upper()}", "7")
    assert getattr(load(GatewaySettings), name) == 7
    (shown,) = [s for s in show_all() if s.variable == f"MODELYARD_{name.upper()}"]
    assert (shown.value, shown.origin) == ("7", "environment")
    monkeypatch.setenv(f"MODELYARD_{name.upper()}", "8")
    assert getattr(load(GatewaySettings), name) == 8


def test_a_worker_in_a_container_takes_its_address_and_name_from_it() -> None:
    """So that several of one service are not taken for one."""
    settings = WorkerSettings(worker_host="auto", node="auto")
    assert settings.worker_host == socket.gethostbyname(socket.gethostname())
    assert settings.node == socket.gethostname()[:60]
    assert (WorkerSettings().worker_host, WorkerSettings().node) == ("127.0.0.1", "")
