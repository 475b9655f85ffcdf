"""Imports go the ways that pyproject.toml's contracts allow; processes that stay load little."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

_REGISTRY = "alembic mlflow qdrant_client qdrant_edge numpy argon2 prefect"
_HEAVY = {
    **{
        f"registry.{name}": _REGISTRY
        for name in (
            "settings",
            "database",
            "catalog.catalog",
            "identity.identity",
            "fleet.fleet",
            "runs.runs",
            "mlflow.aliases",
            "installation",
            "store",
        )
    },
    # Each needs a database's driver as little as a program of users that knows the wire.
    "dashboard.server": "sqlalchemy mlflow prefect fastapi llama_cpp pandas",
    "serving.client": "sqlalchemy structlog fastapi rich standardwebhooks",
    "serving.wire.admin.registered": "sqlalchemy structlog",
    "serving.wire.admin.people": "sqlalchemy structlog",
    "serving.wire.admin.quotas": "sqlalchemy structlog",
    "serving.wire.admin.run_orders": "sqlalchemy structlog",
    "serving.wire.admin.traffic": "sqlalchemy structlog",
    "serving.wire.admin.reports.usage_report": "sqlalchemy structlog",
    "flows.deployments": "mlflow pandas numpy llama_cpp onnx qdrant_client alembic",
}
_SCRIPT = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""


def test_every_import_contract_is_kept(tmp_path: Path) -> None:
    """The rooms know each other only through the doors they have."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-logo", "--cache-dir", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", _HEAVY)
def test_importing_stays_light(name: str) -> None:
    """Libraries are loaded where they are used, not on the way in."""
    command = [sys.executable, "-c", _SCRIPT, f"modelyard.{name}", *_HEAVY[name].split()]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
