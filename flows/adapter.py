"""Adds a LoRA adapter to a registered model, from a local file or from the Hub."""

from pathlib import Path

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.errors import NoMatchingFile
from modelyard.flows.steps.hub import download
from modelyard.flows.steps.hub.hub import open_client
from modelyard.flows.steps.hub.page_address import read_page
from modelyard.flows.steps.hub.resolve import check_access, resolve
from modelyard.flows.steps.validate.adapter import check_adapter
from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.model import Adapter, ModelRef, StoredFile


def bring_adapter(base: str, name: str, source: str, revision: str = "main") -> Adapter:
    """Fetch an adapter, check it against the base model, register and pin it; repeats are no-ops.

    `source` is a path, OWNER/REPO/FILE or the address of the file's page. Raises what the flow
    steps raise, UnknownModel, InvalidName, and AlreadyExists if the model has a different adapter
    of that name.
    """
    ref = ModelRef.parse(f"{base}+{name}")
    with open_context() as context:
        version = context.catalog.find(ModelRef(ref.name, ref.alias, ref.number))
        file = _fetch(context, source, revision)
        with (
            context.store.use(file.sha256) as path,
            context.store.use(version.main.sha256) as base_file,
        ):
            check_adapter(path, file.path.rsplit("/", 1)[-1], version, base_file)
            adapter = AdapterCatalog(context.db).add(ref.name, name, file)
            context.store.pin(file.sha256, f"adapter:{adapter.id}")
        return adapter


def _fetch(context: FlowContext, source: str, revision: str) -> StoredFile:
    local = Path(source)
    if local.is_file():
        stored = context.store.put(local)
        return StoredFile(str(local.absolute())[-500:], stored.sha256, stored.size)
    page = read_page(source)
    if page is not None and page.path:
        repo = page.repo
        path = page.path
        revision = page.revision or revision
    else:
        repo, path = _parts(source)
    snapshot = resolve(context.settings.hub, repo, revision)
    file = next((f for f in snapshot.files if f.path == path), None)
    if file is None:
        raise NoMatchingFile(f"{repo} has no file '{path}'.", fix=f"See {source}.")
    check_access(context.settings.hub, snapshot, file)
    with open_client(context.settings.hub) as client:
        fetcher = download.Downloader(
            context.settings.hub, context.store, context.results, client, snapshot
        )
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
