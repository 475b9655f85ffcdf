"""One process at a time per content: a second process waits and finds the work done."""

from pathlib import Path

from modelyard.flows.steps.hub.hub import RemoteFile
from modelyard.registry.store import Store


def content_lock(store: Store, work: str, file: RemoteFile) -> Path:
    """The lock file, on the store's volume, for one kind of work on one file of the Hub."""
    return lock_of(store, work, file.sha256 or file.git_oid)


def lock_of(store: Store, work: str, content: str) -> Path:
    """The same by the content's id: a sha256, or a git object id where the Hub has no sha256."""
    folder = store.root / "locks"
    folder.mkdir(exist_ok=True)
    return folder / f"{work}-{content}.lock"
