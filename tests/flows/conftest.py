"""A Hub with faults and whatever models a test puts on it, and a registry of the test's own."""

import json
import shutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from modelyard.flows.prefect.address import Prefect
from modelyard.flows.steps.hub import download
from modelyard.flows.steps.hub.hub import HubClient, HubSnapshot, open_client
from modelyard.flows.steps.hub.resolve import resolve
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.database import Database
from modelyard.registry.installation import open_database
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.deployments.hub_process import running_hub
from tests.flows.harness import CARD, FILE, REPO, FlowHarness
from tests.models.tiny import Tiny
from tests.servers.prefect import running_prefect

TOKEN = "hf_reader"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[HubProcess]:
    scratch = tmp_path_factory.mktemp("flows-hub")
    (scratch / "models").mkdir()
    with running_hub(scratch / "models", scratch, "--faults", "--token", TOKEN) as hub:
        yield hub


@pytest.fixture
def hub_process(served: HubProcess) -> Generator[HubProcess]:
    """The Hub without faults and without the repositories of other tests."""
    served.fault()
    yield served
    shutil.rmtree(served.root)
    served.root.mkdir()


@pytest.fixture
def publish(hub_process: HubProcess) -> Callable[..., None]:
    """Put a repository on the Hub: its name, its files, and what `.hub.json` says of it."""

    def put(repo: str, files: Mapping[str, bytes], **card: object) -> None:
        folder = hub_process.root / repo
        folder.mkdir(parents=True)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        (folder / ".hub.json").write_text(json.dumps(card))

    return put


@pytest.fixture
def hub(hub_process: HubProcess) -> HubClient:
    """The Hub as the steps know it, asked impatiently."""
    return HubClient(hub_process.url, attempts=4, timeout_s=60, backoff_s=0.01)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights in F16 that llama.cpp loads and quantizes."""
    shape = Tiny(vocabulary=512, width=256, layers=1, inner=256, half=True)
    return shape.write(tmp_path_factory.mktemp("tiny") / "tiny-f16.gguf")


@pytest.fixture
def database(sqlite_url: str) -> Generator[Database]:
    database = Database.connect(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def catalog(database: Database) -> Catalog:
    return Catalog(database)


@pytest.fixture
def results(database: Database) -> BuildRecords:
    return BuildRecords(database)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", 10**9)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a download needs, with one call for the whole of it."""

    hub: HubClient
    store: Store
    results: BuildRecords

    def snapshot(self, repo: str) -> HubSnapshot:
        return resolve(self.hub, repo, "main")

    def fetch(self, repo: str, path: str, progress: Callable[[int], None] = lambda _: None) -> str:
        """Download one file; returns its sha256."""
        snapshot = self.snapshot(repo)
        with open_client(self.hub) as client:
            downloader = download.Downloader(self.hub, self.store, self.results, client, snapshot)
            file = next(file for file in snapshot.files if file.path == path)
            return downloader.fetch(file, progress).sha256


@pytest.fixture
def desk(hub: HubClient, store: Store, results: BuildRecords) -> Desk:
    return Desk(hub, store, results)


@pytest.fixture
def sent(hub_process: HubProcess) -> Callable[[], int]:
    """Bytes of files the Hub sent since the test began."""
    before = hub_process.file_bytes
    return lambda: (
        int(httpx2.get(f"{hub_process.url}/__stats", timeout=60).json()["file_bytes"]) - before
    )


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Generator[Prefect]:
    with running_prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="session")
def used_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to copy, whose databases are empty: MLflow takes seconds to make its tables."""
    folder = tmp_path_factory.mktemp("used")
    registry = RegistrySettings(data_dir=folder)
    open_database(registry).close()
    MlflowRegistry(registry.mlflow).recorded()
    open_index(registry).ids()
    return folder


@pytest.fixture
def harness(
    tmp_path: Path,
    used_data_folder: Path,
    prefect: Prefect,
    hub_process: HubProcess,
    publish: Callable[..., None],
    tiny: Path,
) -> FlowHarness:
    files = {FILE: tiny.read_bytes(), "README.md": CARD, "config.json": b"{}"}
    publish(REPO, files, card_data={"license": "mit"}, tags=["gguf"])
    data = shutil.copytree(used_data_folder, tmp_path / "data")
    return FlowHarness(data, hub_process.url, prefect)
