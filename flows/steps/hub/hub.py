"""The Hub's address, our token, and types for repositories and files on it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx2

Progress = Callable[[int], None]
"""Progress callback: the amount of a step done so far, in the step's unit."""


Waiting = Callable[[float], AbstractContextManager[object]]
"""Shows a wait of so many seconds for as long as it lasts."""


def _unseen(_seconds: float) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a snapshot; `sha256` is None if the Hub stores it in git instead of LFS."""

    path: str
    size: int
    git_oid: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """A repository at one commit: its files, and the metadata of its card."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]
    gated: bool = False
    licence: str | None = None
    pipeline_tag: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HubClient:
    """The Hub's address, a token sent to that address only, and retry limits.

    `attempts` counts consecutive attempts without a new byte; `timeout_s` applies to each wait on
    the network; `backoff_s` is the first pause, which doubles. Where the Hub asks to wait we
    do, for `longest_wait_s` in all; `waiting` shows each such wait. An `offline` Hub is not asked.
    """

    endpoint: str
    token: str = field(default="", repr=False)
    attempts: int = 6
    timeout_s: float = 30.0
    backoff_s: float = 0.5
    longest_wait_s: float = 600.0
    offline: bool = False
    waiting: Waiting = field(default=_unseen, repr=False)

    def page(self, repo: str) -> str:
        return f"{self.endpoint.rstrip('/')}/{repo}"

    def file_url(self, snapshot: HubSnapshot, file: RemoteFile) -> str:
        path = quote(file.path, safe="/")
        return f"{self.page(snapshot.repo)}/resolve/{snapshot.commit}/{path}"

    @property
    def headers(self) -> dict[str, str]:
        """Request headers; httpx2 drops Authorization when a redirect leads to another host."""
        own = {"User-Agent": "modelyard", "Accept-Encoding": "identity"}
        return own | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


def open_client(hub: HubClient) -> httpx2.Client:
    """An HTTP client that follows redirects; httpx2 drops our token on another host."""
    timeout = httpx2.Timeout(hub.timeout_s)
    return httpx2.Client(headers=hub.headers, timeout=timeout, follow_redirects=True)
