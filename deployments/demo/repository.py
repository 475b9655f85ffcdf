"""Repositories as folders on disk: their files, the ids git and LFS give those, their commit."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from modelyard.deployments.demo.refusal import Refusal

SETTINGS = ".hub.json"
LFS_SUFFIXES = frozenset({".gguf", ".onnx", ".safetensors", ".bin", ".pt", ".zip", ".model"})
LFS_SIZE = 10 << 20  # bytes; the Hub stores anything larger by LFS, whatever its name
SHORTEST_COMMIT = 7  # hexadecimal digits
CHUNK = 1 << 20
MAIN = frozenset({"main", "HEAD", "refs/heads/main"})


@dataclass(frozen=True, slots=True)
class Blob:
    """One file's content: where it lies, its size in bytes and its two hashes."""

    path: Path
    size: int
    git_oid: str
    sha256: str

    @property
    def is_lfs(self) -> bool:
        return self.path.suffix in LFS_SUFFIXES or self.size > LFS_SIZE

    @property
    def pointer(self) -> bytes:
        """What git stores in the place of an LFS file."""
        head = "version https://git-lfs.github.com/spec/v1"
        return f"{head}\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @property
    def oid(self) -> str:
        """The git id of what git stores: the file, or its LFS pointer."""
        return _git_oid(self.pointer) if self.is_lfs else self.git_oid

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.git_oid


@dataclass(frozen=True, slots=True)
class HubCard:
    """What `.hub.json` says of a repository; every key may be left out."""

    gated: str | bool = False  # "auto", "manual" or false
    private: bool = False
    pipeline_tag: str | None = None
    library_name: str | None = None
    tags: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()  # git tags; all of them name the one commit there is
    card_data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    last_modified: str = "2026-01-01T00:00:00.000Z"
    downloads: int = 0
    likes: int = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a `.hub.json`; an unknown key is a TypeError, so that typing errors show."""
        given: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        given |= {key: tuple(given[key]) for key in ("tags", "refs") if key in given}
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Repository:
    """One snapshot of one repository; `files` by their path inside it, in order."""

    id: str
    card: HubCard
    files: Mapping[str, Blob]

    @property
    def author(self) -> str:
        return self.id.split("/")[0]

    @property
    def commit(self) -> str:
        """40 hexadecimal digits that change whenever a file's name or content does."""
        listing = [self.id, *((name, blob.oid) for name, blob in self.files.items())]
        return hashlib.sha1(json.dumps(listing).encode(), usedforsecurity=False).hexdigest()

    def at(self, revision: str) -> Self:
        """This snapshot under a branch, tag or commit id; a Refusal when it is none of them."""
        commit = len(revision) >= SHORTEST_COMMIT and self.commit.startswith(revision)
        if commit or revision in MAIN or revision.removeprefix("refs/tags/") in self.card.refs:
            return self
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


class HubRepositories:
    """The repositories under one root, as `owner/name` folders; hashes are kept per file state."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._blobs: dict[tuple[Path, int, int], Blob] = {}
        self._lock = threading.Lock()

    def find(self, repo_id: str) -> Repository | None:
        """The repository as it lies on disk now. Blocks while new files are hashed."""
        folder = (self.root / repo_id).resolve()
        if not folder.is_relative_to(self.root) or folder == self.root or not folder.is_dir():
            return None
        with self._lock:  # so that two callers never hash one big file twice
            files = {name: self._blob(path) for name, path in _content(folder)}
        return Repository(repo_id, HubCard.read(folder / SETTINGS), MappingProxyType(files))

    def all(self) -> Iterator[Repository]:
        for folder in sorted(self.root.glob("*/*")):
            repository = self.find(folder.relative_to(self.root).as_posix())
            if repository:
                yield repository

    def _blob(self, path: Path) -> Blob:
        state = path.stat()
        key = (path, state.st_size, state.st_mtime_ns)
        if key not in self._blobs:
            self._blobs[key] = _hashed(path, state.st_size)
        return self._blobs[key]


def _content(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file but the hidden ones at the top (our settings, .git, a client's cache)."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = name.startswith(".") and name != ".gitattributes"
        if path.is_file() and not hidden:
            yield name, path


def _hashed(path: Path, size: int) -> Blob:
    git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            git.update(chunk)
            sha256.update(chunk)
    return Blob(path, size, git.hexdigest(), sha256.hexdigest())


def _git_oid(content: bytes) -> str:
    framed = b"blob %d\0" % len(content) + content
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest()
