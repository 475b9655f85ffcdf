"""Bring a LoRA adapter to a model that is registered: from a file here, or from the Hub."""

from pathlib import Path

from flows.errors import NoMatchingFile
from flows.steps import download
from flows.steps.adapter import check_adapter
from flows.steps.resolve import resolve
from flows.yard import Yard, open_yard
from registry.adapters import Adapters
from registry.names import Adapter, ModelRef, StoredFile


def bring_adapter(base: str, name: str, source: str, revision: str = "main") -> Adapter:
    """Fetch, check against the base, enter and pin; the same again changes nothing.

    `source` is a path, else OWNER/REPO/FILE. Raises as the flows' steps do, UnknownModel,
    InvalidName, and AlreadyExists where the model has another adapter of that name.
    """
    ref = ModelRef.parse(f"{base}+{name}")
    with open_yard() as yard:
        version = yard.catalog.find(ModelRef(ref.name, ref.alias, ref.number))
        file = _fetch(yard, source, revision)
        with yard.store.use(file.sha256) as path, yard.store.use(version.main.sha256) as base_file:
            check_adapter(path, file.path.rsplit("/", 1)[-1], version, base_file)
            adapter = Adapters(yard.db).add(ref.name, name, file)
            yard.store.pin(file.sha256, f"adapter:{adapter.id}")
        return adapter


def _fetch(yard: Yard, source: str, revision: str) -> StoredFile:
    local = Path(source)
    if local.is_file():
        stored = yard.store.put(local)
        return StoredFile(str(local.absolute())[-500:], stored.sha256, stored.size)
    repo, path = _parts(source)
    snapshot = resolve(yard.settings.hub, repo, revision)
    file = next((f for f in snapshot.files if f.path == path), None)
    if file is None:
        raise NoMatchingFile(f"{repo} has no file '{path}'.", fix=f"See {source}.")
    with download.client(yard.settings.hub) as client:
        fetcher = download.Downloader(yard.settings.hub, yard.store, yard.results, client, snapshot)
        stored = fetcher.fetch(file, lambda _: None)
    where = f"{repo}@{snapshot.commit}/{path}"
    return StoredFile(where[-500:], stored.sha256, stored.size)


def _parts(source: str) -> tuple[str, str]:
    owner, _, rest = source.partition("/")
    repo, _, path = rest.partition("/")
    if not path:
        raise NoMatchingFile(
            f"There is no file '{source}' here.", fix="Give a path, or OWNER/REPO/FILE on the Hub."
        )
    return f"{owner}/{repo}", path
