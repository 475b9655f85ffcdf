"""One process at a time for one content: what two would do at once, the second finds done."""

from pathlib import Path

from modelyard.flows.steps.hub.hub import RemoteFile
from modelyard.registry.store import Store


def content_lock(store: Store, work: str, file: RemoteFile) -> Path:
    """The lock on the store's volume for a kind of work on a content of the Hub."""
    folder = store.root / "locks"
    folder.mkdir(exist_ok=True)
    return folder / f"{work}-{file.sha256 or file.git_oid}.lock"
