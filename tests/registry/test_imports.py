"""The gateway's part of the registry loads without anything heavy."""

import subprocess
import sys

import pytest

_LIGHT = (
    "settings",
    "database",
    "catalog.catalog",
    "identity.identity",
    "fleet.fleet",
    "runs.runs",
    "installation",
    "store",
)
_HEAVY = ("alembic", "mlflow", "qdrant_client", "qdrant_edge", "numpy", "argon2", "prefect")
_SCRIPT = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""


@pytest.mark.parametrize("name", _LIGHT)
def test_importing_stays_light(name: str) -> None:
    """Heavy libraries are imported where they are chosen, not on the way in."""
    command = [sys.executable, "-c", _SCRIPT, f"modelyard.registry.{name}", *_HEAVY]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
