"""Our engine as clients see it: behind the gateway, started by a worker, over one data folder."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.engine.cases import MODEL
from benchmarks.engine.servers import BenchServer, Setup
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from modelyard.registry.database import Database
from modelyard.registry.fleet.fleet import EngineState
from modelyard.registry.migrate import migrate
from tests.serving.installation import TOKEN, Installation, open_installation
from tests.serving.processes import environment, gateway_process, worker_process


@contextmanager
def behind_gateway(setup: Setup) -> Generator[BenchServer]:
    """A gateway, a worker and one engine; the engine is loaded when this is entered."""
    with TemporaryDirectory(prefix="modelyard-bench-") as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'modelyard.db'}"
        database = Database.connect(url)
        migrate(database)
        database.close()
        env = environment(folder) | _shape(setup)
        with (
            open_installation(url, folder) as site,
            gateway_process(env, folder) as gateway,
            worker_process(env),
        ):
            _register(site, setup.model)
            with gateway.http(site.admin) as http:
                body = {"model": MODEL, "prompt": "x", "max_tokens": 1}
                _until(lambda: http.post("/v1/completions", json=body).status_code == 200)
            engine = next(e for e in site.fleet.engines() if e.state is EngineState.READY)
            yield BenchServer("ours", *_address(gateway.url), site.admin, engine.url, TOKEN)


def _shape(setup: Setup) -> dict[str, str]:
    return {
        "MODELYARD_PARALLEL": str(setup.parallel),
        "MODELYARD_CONTEXT_LENGTH": str(setup.context),
        "MODELYARD_THREADS": str(setup.threads),
    }


def _register(site: Installation, model: Path) -> None:
    stored = site.filled.store.put(model)
    site.filled.catalog.register(
        name=MODEL, repo=MODEL, revision="0" * 40, metrics={},
        facts=ModelFacts(Format.GGUF, "llama", context_length=8192),
        files=[StoredFile("model.gguf", stored.sha256, stored.size)],
    )  # fmt: skip


def _address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("The gateway does not answer for the model.")
        time.sleep(0.2)
