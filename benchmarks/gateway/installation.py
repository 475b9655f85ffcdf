"""An installation of ours over the stand-in: a user with a key, versions, an engine for each.

`python -m benchmarks.gateway.installation FOLDER BACKEND [REDIS]` makes one with the modules that
it finds, as an older wheel knows older tables, and prints a `GatewaySite`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from pydantic import SecretStr

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile, Visibility
from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.identity import Identity
from modelyard.registry.installation import open_database
from modelyard.registry.settings import RegistrySettings

MODELS = ("mock", "mock-c32", "mock-c100-d50", "mock-w500")
_SECRET = "benchmark" * 5
_DEVICE = DeviceReport(memory_free=1, slots=4096)
"""The stand-in takes as many requests at a time as come."""

_PLENTY = str(1_000_000)


class GatewaySite(msgspec.Struct, frozen=True):
    """What a gateway needs to know to serve it, and a key for the load."""

    environment: Mapping[str, str]
    key: str


def prepare(folder: Path, backend: str, redis: str = "") -> GatewaySite:
    """The limits are on and never reached: counting is what they cost."""
    settings = RegistrySettings(data_dir=folder, secret_key=SecretStr(_SECRET))
    database = open_database(settings)
    key = Identity(database, _SECRET).first_admin()
    fleet = Fleet(database)
    fleet.register_worker("bench-0", backend, 1, _DEVICE)
    for model in MODELS:
        version = Catalog(database).register(
            name=model,
            repo=f"benchmark/{model}",
            revision="0" * 40,
            facts=ModelFacts(Format.MOCK, "mock"),
            files=[StoredFile("model.mock", "0" * 64, 1)],
            metrics={},
            visibility=Visibility.PUBLIC,
        )
        fleet.put_engine(EngineView("bench-0", version.id, EngineState.READY, url=backend))
    database.close()
    limits = {f"MODELYARD_{name}": _PLENTY for name in ("RPM", "RPH", "USER_RPM", "USER_RPH")}
    environment = {
        "MODELYARD_DATA_DIR": str(folder),
        "MODELYARD_SECRET_KEY": _SECRET,
        "MODELYARD_WORKER_ALIVE_S": "600",
        "MODELYARD_ACCESS_LOG": str(folder / "access.jsonl"),
        "MODELYARD_REDIS_URL": redis,
        **limits,
    }
    return GatewaySite(environment, key or "")


if __name__ == "__main__":
    where, backend, *redis = sys.argv[1:]
    site = prepare(Path(where), backend, *redis)
    sys.stdout.buffer.write(msgspec.json.encode(site))
