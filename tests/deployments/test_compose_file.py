"""What docker-compose.yml and its variant for GPUs say, read without starting anything."""

import re
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose, PyOptions

from tests.servers.containers import compose

GPU = compose.ROOT / "docker-compose.gpu.yml"


@pytest.fixture
def variables() -> dict[str, str]:
    """What stands in .env, each with a value of its own."""
    return {name: f"secret-{name}" for name in compose.required()}


@pytest.mark.parametrize("file", [compose.FILE, GPU], ids=lambda file: file.name)
def test_a_file_is_what_the_specification_allows(file: Path, variables: dict[str, str]) -> None:
    """No unknown key, every value of its kind, and whatever is referred to is there."""
    _read_strictly(yaml.safe_dump(compose.filled(variables, file), sort_keys=False))


def test_a_fault_against_the_specification_is_found(variables: dict[str, str]) -> None:
    """A key misspelt, a duration that is none, a configuration that nobody declares."""
    whole = yaml.safe_dump(compose.filled(variables), sort_keys=False)
    faults = [("interval:", "intervall:"), ("10s", "ten"), ("source: redis", "source: rdis")]
    for right, wrong in faults:
        assert right in whole
        with pytest.raises(ValueError, match=r"."):
            _read_strictly(whole.replace(right, wrong))


def _read_strictly(text: str) -> PyCompose:
    """Raises a ValueError that names the fault."""
    read = PyOptions(apply_merge=True).from_yaml(text)
    read.validate()
    return read


def test_no_service_has_a_secret_that_it_does_not_need(variables: dict[str, str]) -> None:
    """Who takes one over has only the keys of what it works with."""
    holders = {
        name: {
            service.name
            for service in compose.read(variables).values()
            if any(value in text for text in _texts(service))
        }
        for name, value in variables.items()
    }
    registry = {"gateway", "worker", "flows"}
    assert holders == {
        "MODELYARD_SECRET_KEY": registry,
        "POSTGRES_PASSWORD": {*registry, "postgres", "mlflow-database"},
        "REDIS_PASSWORD": {*registry, "redis"},
        "QDRANT_API_KEY": {"flows", "qdrant"},
        "PREFECT_PASSWORD": {"flows", "prefect"},
        "MLFLOW_PASSWORD": {"flows", "mlflow"},
        "MLFLOW_SECRET_KEY": {"mlflow"},
        "MLFLOW_DATABASE_PASSWORD": {"mlflow", "mlflow-database"},
    }


def _texts(service: compose.ComposeService) -> list[str]:
    return [*_words(service), *service.environment.values(), *service.configs.values()]


def _words(service: compose.ComposeService) -> list[str]:
    return [*(service.entrypoint or ()), *(service.command or ()), *(service.healthcheck or ())]


def test_a_secret_that_is_not_set_starts_nothing(variables: dict[str, str]) -> None:
    """Not set or empty: Docker says which, and .env.example names every one."""
    example = (compose.ROOT / ".env.example").read_text()
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == set(variables)
    for name in variables:
        for without in ({**variables, name: ""}, {k: v for k, v in variables.items() if k != name}):
            with pytest.raises(compose.VariableMissing, match=rf"{name}: set it in \.env"):
                compose.read(without)
    for name in compose.optional():
        assert re.search(rf"^# {name}=", example, re.MULTILINE), name


def test_no_secret_is_on_a_command_line(variables: dict[str, str]) -> None:
    """Every user of the machine can read those."""
    for service in compose.read(variables).values():
        words = " ".join(_words(service))
        assert not [name for name, value in variables.items() if value in words], service.name


def test_every_service_is_looked_after_and_takes_settings(variables: dict[str, str]) -> None:
    """Each has a health check, and each of ours the settings of `modelyard.env`."""
    services = compose.read(variables).values()
    lasting = [service for service in services if not service.ends]
    assert [service.name for service in lasting if not service.healthcheck] == []
    whole = yaml.safe_load(compose.FILE.read_text())["services"]
    ours = {name: one for name, one in whole.items() if one["image"].startswith("modelyard:")}
    settings = [{"path": "modelyard.env", "required": False}]
    assert {name for name, one in ours.items() if one.get("env_file") != settings} == set()


def test_no_service_keeps_a_server_s_data_in_files_of_its_own(variables: dict[str, str]) -> None:
    """A command in any container asks the servers, or is refused: it opens no second one."""
    services = compose.read(variables)
    for name in ("gateway", "worker", "flows"):
        of_servers = {
            variable: services[name].environment.get(f"MODELYARD_{variable}")
            for variable in ("MLFLOW_URI", "QDRANT_URL", "DATABASE_URL", "REDIS_URL")
        }
        assert [variable for variable, address in of_servers.items() if not address] == [], name
