"""An installation for one test: settings, users with keys, versions, and engines that run."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from pydantic import SecretStr

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import (
    Format,
    ModelFacts,
    ModelVersion,
    StoredFile,
    Visibility,
)
from modelyard.registry.database import Database
from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity, internal_token, user_named
from modelyard.registry.identity.passwords import hash_password
from modelyard.registry.installation import open_store
from modelyard.registry.secrets import metrics_token
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.api.services import Services
from modelyard.serving.asgi import create_app
from modelyard.serving.settings import GatewaySettings
from tests.serving.engines.processes import StartedEngine, engine_process
from tests.serving.worker.filled_catalog import FilledCatalog

SECRET = "s" * 40
TOKEN = internal_token(SECRET)
METRICS_TOKEN = metrics_token(RegistrySettings(secret_key=SecretStr(SECRET)))
SCRAPING = {"Authorization": f"Bearer {METRICS_TOKEN}"}
"""What Prometheus sends."""

DEVICE = {
    "gpu_id": "cpu-0",
    "name": "Test processor",
    "status": "available",
    "reason": "",
    "uptime": 12.5,
    "memory_total": 8_000_000_000,
    "memory_used": 3_000_000_000,
    "memory_free": 5_000_000_000,
    "utilization": 0.25,
    "processes": [{"pid": 7, "name": "engine", "memory_used": 1000}],
}
NOBODY = "http://127.0.0.1:9"
"""Nothing listens there."""

STARTS_WITHIN_S = 120.0
ALIVE_S = 600.0
"""A worker's row lives that long: a slow machine makes no worker look gone."""


def device_report(**facts: object) -> DeviceReport:
    """What a worker reports of `DEVICE`; `facts` as they are in JSON."""
    return DeviceReport.from_json(DEVICE | facts)


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation; `admin` and `ada` are keys."""

    settings: RegistrySettings
    database: Database
    filled: FilledCatalog
    admin: str
    ada: str

    @property
    def identity(self) -> Identity:
        return Identity(self.database, SECRET)

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.database)

    def app(self, **serving: object) -> FastAPI:
        told = {"worker_alive_s": ALIVE_S} | serving
        return create_app(GatewaySettings(**told), self.settings)  # type: ignore[arg-type]

    @asynccontextmanager
    async def client(self, key: str = "", **serving: object) -> AsyncGenerator[httpx2.AsyncClient]:
        """HTTP straight into the application, as whoever the key belongs to."""
        async with self.opened(key, **serving) as (client, _):
            yield client

    @asynccontextmanager
    async def opened(
        self, key: str = "", **serving: object
    ) -> AsyncGenerator[tuple[httpx2.AsyncClient, Services]]:
        """The same, with what is inside of the application."""
        app = self.app(**serving)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with running(app) as asgi:
            transport = httpx2.ASGITransport(asgi)
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://gateway", headers=headers
            ) as client:
                yield client, app.state.services

    def private(self, name: str, owner: str) -> ModelVersion:
        """Register a version that only its owner and admins may see."""
        stored = self.filled.store.put([name.encode()])
        return self.filled.catalog.register(
            name=name,
            repo=name,
            revision="0" * 40,
            facts=ModelFacts(Format.MOCK, "mock"),
            files=[StoredFile("model.mock", stored.sha256, stored.size)],
            metrics={},
            visibility=Visibility.PRIVATE,
            owner_id=self.identity.authenticate_key(owner).user_id,
        )

    def worker(self, device_id: str = "cpu-0", url: str = NOBODY, **facts: object) -> None:
        """A worker's row, as fresh as a heartbeat."""
        self.fleet.register_worker(device_id, url, 1, device_report(gpu_id=device_id, **facts))

    def ready(self, version: ModelVersion, url: str, device_id: str = "cpu-0") -> None:
        """An engine's row: this version answers there."""
        self.fleet.put_engine(EngineView(device_id, version.id, EngineState.READY, url=url))

    @contextmanager
    def engine(self, version: ModelVersion, **options: object) -> Generator[StartedEngine]:
        """A running engine of the mock format, in the tables as ready on cpu-0."""
        with engine_process(
            internal_token=TOKEN, version_id=version.id, model_name=version.model, options=options
        ) as engine:
            self.worker()
            self.ready(version, engine.url)
            yield engine


@asynccontextmanager
async def running(app: FastAPI) -> AsyncGenerator[Any]:
    """The application between its start and its end, however long they take."""
    async with LifespanManager(app, STARTS_WITHIN_S, STARTS_WITHIN_S) as manager:
        yield manager.app


def state(engine: StartedEngine) -> dict[str, Any]:
    """What an engine of the installation says of itself."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx2.get(f"{engine.url}/state", headers=headers, timeout=60, trust_env=False)
    return dict(answer.json())


async def once_it_speaks(engine: StartedEngine) -> None:
    """Wait until an engine has written its second word: then its first has left it."""
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(state, engine))["generated_tokens"] < 2:
            await asyncio.sleep(0.02)


@cache
def _password_hash() -> str:
    """Of ada's password. Made once a process: each takes a fifth of a second, on purpose."""
    return hash_password("correct horse battery")


@contextmanager
def open_installation(database_url: str, folder: Path) -> Generator[Installation]:
    settings = RegistrySettings(
        data_dir=folder, database_url=database_url, secret_key=SecretStr(SECRET)
    )
    database = Database.connect(database_url)
    identity = Identity(database, SECRET)
    admin = identity.first_admin()
    assert admin is not None
    identity.create_user("ada", Role.USER)
    with database.begin() as session:
        user_named(session, "ada").password_hash = _password_hash()
    ada = identity.create_key("ada", "test")
    filled = FilledCatalog(Catalog(database), open_store(settings))
    yield Installation(settings, database, filled, admin, ada)
    database.close()
