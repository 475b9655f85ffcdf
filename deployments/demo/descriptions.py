"""The Hub's JSON descriptions of a repository, its folders and its files."""

import hashlib
from collections.abc import Iterator
from typing import Any

from modelyard.deployments.demo.repository import Blob, Repository

Json = dict[str, Any]


def model(repository: Repository, *, blobs: bool = False) -> Json:
    """A `ModelInfo`; `blobs` adds each file's size and hashes."""
    card = repository.card
    commit = repository.commit
    return {
        "_id": commit[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.author,
        "sha": commit,
        "createdAt": card.last_modified,
        "lastModified": card.last_modified,
        "private": card.private,
        "gated": card.gated,
        "disabled": False,
        "downloads": card.downloads,
        "likes": card.likes,
        "tags": list(card.tags),
        "pipeline_tag": card.pipeline_tag,
        "library_name": card.library_name,
        "cardData": dict(card.card_data),
        "config": {},
        "spaces": [],
        "usedStorage": sum(blob.size for blob in repository.files.values()),
        "siblings": [_sibling(name, blob, blobs) for name, blob in repository.files.items()],
    }


def _sibling(name: str, blob: Blob, details: bool) -> Json:  # noqa: FBT001 - private, one caller
    entry: Json = {"rfilename": name}
    if details:
        entry |= {"size": blob.size, "blobId": blob.oid}
    if details and blob.is_lfs:
        entry["lfs"] = _lfs(blob) | {"sha256": blob.sha256}
    return entry


def file(name: str, blob: Blob) -> Json:
    """A file's entry in a tree."""
    entry = {"type": "file", "oid": blob.oid, "size": blob.size, "path": name}
    return entry | ({"lfs": _lfs(blob)} if blob.is_lfs else {})


def _lfs(blob: Blob) -> Json:
    return {"oid": blob.sha256, "size": blob.size, "pointerSize": len(blob.pointer)}


def folder(path: str) -> Json:
    """A folder's entry in a tree."""
    oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def tree(repository: Repository, base: str, *, recursive: bool) -> list[Json]:
    """What lies under the folder `base` ("" is the top); empty when there is no such folder."""
    prefix = f"{base}/" if base else ""
    inside = {name: blob for name, blob in repository.files.items() if name.startswith(prefix)}
    depth = prefix.count("/")
    shown = [
        file(name, blob) for name, blob in inside.items() if recursive or name.count("/") == depth
    ]
    return [folder(path) for path in _folders(inside, depth, recursive=recursive)] + shown


def _folders(names: dict[str, Blob], depth: int, *, recursive: bool) -> list[str]:
    """The folders on the way to the names, those deeper than `depth` levels only."""
    found = {path for name in names for path in _parents(name) if path.count("/") >= depth}
    return sorted(path for path in found if recursive or path.count("/") == depth)


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")[:-1]
    return ("/".join(parts[: length + 1]) for length in range(len(parts)))


def refs(repository: Repository) -> Json:
    """The branches and tags; all of them are the one snapshot."""
    commit = repository.commit
    tags = [
        {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit}
        for tag in repository.card.refs
    ]
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": commit}
    return {"branches": [main], "converts": [], "tags": tags, "pullRequests": []}


def commits(repository: Repository) -> list[Json]:
    """The history, which is one commit long."""
    return [
        {
            "id": repository.commit,
            "title": "The files as they are",
            "message": "",
            "authors": [{"user": repository.author}],
            "date": repository.card.last_modified,
        }
    ]
