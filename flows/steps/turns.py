"""One process at a time for one content: what two would do at once, the second finds done."""

from pathlib import Path

from flows.steps.hub import RemoteFile
from registry.store import Store


def turn(store: Store, work: str, file: RemoteFile) -> Path:
    """The lock on the store's volume for a kind of work on a content of the Hub."""
    folder = store.root / "locks"
    folder.mkdir(exist_ok=True)
    return folder / f"{work}-{file.sha256 or file.git_oid}.lock"
