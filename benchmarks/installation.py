"""A running installation to measure: a gateway, and workers with mock engines, as processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile, Visibility
from modelyard.registry.fleet.fleet import EngineState, Fleet
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from modelyard.registry.installation import open_database
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store

STARTS_WITHIN_S = 60.0
_SECRET = "benchmark" * 5
_MODELYARD = (sys.executable, "-P", "-m", "modelyard.serving.cli.main")


@dataclass(frozen=True, slots=True)
class BenchInstallation:
    """Where it answers, the keys of its admin and of a user `bob`, and its processes."""

    url: str
    key: str
    bob: str
    gateway: subprocess.Popen[bytes]
    workers: Mapping[str, subprocess.Popen[bytes]]


def running_installation(
    stack: ExitStack,
    folder: Path,
    models: Mapping[str, Mapping[str, Any]],
    nodes: Sequence[str],
    *,
    database_url: str = "",
) -> BenchInstallation:
    """`models`: the mock engine's options by name; each node has every one loaded.

    Without an URL the database is SQLite in the folder.
    """
    settings = RegistrySettings(
        data_dir=folder, database_url=database_url, secret_key=SecretStr(_SECRET)
    )
    database = open_database(settings)
    stack.callback(database.close)
    identity = Identity(database, _SECRET)
    key = identity.first_admin() or ""
    identity.create_user("bob", Role.USER, "correct horse battery")
    for name, options in models.items():
        _register(Catalog(database), Store(settings.store, 10**9), name, options)
    env = {
        "MODELYARD_DATA_DIR": str(folder),
        "MODELYARD_DATABASE_URL": database_url,
        "MODELYARD_SECRET_KEY": _SECRET,
    }
    preloaded = [word for name in models for word in ("--preload", name)]
    workers = {
        node: _start(stack, ["worker", "--device", "cpu-0", *preloaded], env, node)
        for node in nodes
    }
    ready = folder / "ready.json"
    gateway = _start(stack, ["gateway", "--port", "0", "--ready-file", str(ready)], env, "gateway")
    fleet = Fleet(database)
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not ready.exists() or _ready(fleet) < len(nodes) * len(models):
        if time.monotonic() > deadline:
            sys.exit("gateway and engines do not start")
        time.sleep(0.1)
    url = str(json.loads(ready.read_text())["url"])
    return BenchInstallation(url, key, identity.create_key("bob", "benchmark"), gateway, workers)


def _register(catalog: Catalog, store: Store, name: str, options: Mapping[str, Any]) -> None:
    stored = store.put([name.encode()])
    catalog.register(
        name=name,
        repo=f"benchmark/{name}",
        revision="0" * 40,
        facts=ModelFacts(
            Format.MOCK, "mock", context_length=65536, details={"engine_options": dict(options)}
        ),
        files=[StoredFile("model.mock", stored.sha256, stored.size)],
        metrics={},
        visibility=Visibility.PUBLIC,
    )


def _start(
    stack: ExitStack, command: list[str], env: Mapping[str, str], node: str
) -> subprocess.Popen[bytes]:
    surroundings = {**os.environ, **env, "MODELYARD_NODE": node}
    process = subprocess.Popen([*_MODELYARD, *command], env=surroundings, stdout=subprocess.DEVNULL)
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)
    return process


def _ready(fleet: Fleet) -> int:
    return sum(engine.state is EngineState.READY for engine in fleet.engines(10.0))
