"""Downloads a file from the Hub into the store: resumed after breaks and verified."""

import errno
import time
from dataclasses import dataclass

import httpx2

from modelyard.flows.errors import NoMatchingFile
from modelyard.flows.steps.hub.backoff import MOST_PATIENT_S, asked_s, pause
from modelyard.flows.steps.hub.content_lock import content_lock
from modelyard.flows.steps.hub.hub import HubClient, HubSnapshot, Progress, RemoteFile
from modelyard.flows.steps.hub.partial_download import Corrupt, PartialDownload
from modelyard.flows.steps.hub.resolve import restricted, unreachable
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import StoredFile
from modelyard.registry.errors import FileCorrupt
from modelyard.registry.locks import exclusive
from modelyard.registry.store import Store

RECIPE = "hub-file"
"""The build recipe that maps a git object id of the Hub to a sha256."""


class _Broken(Exception):
    """The transfer broke in a way that a retry may fix."""

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def stored_sha(file: RemoteFile, results: BuildRecords) -> str | None:
    """The sha256 of a file, if the Hub states it or an earlier download recorded it."""
    built = None if file.sha256 else results.built(file.git_oid, RECIPE)
    return built.sha256 if built else file.sha256


def part_key(file: RemoteFile) -> str:
    """The key of a partial download: the same for the same content, in any repository."""
    return f"hub/{file.sha256 or file.git_oid}"


def client(hub: HubClient) -> httpx2.Client:
    """An HTTP client that follows redirects; httpx2 drops our token on another host."""
    timeout = httpx2.Timeout(hub.timeout_s)
    return httpx2.Client(headers=hub.headers, timeout=timeout, follow_redirects=True)


@dataclass(frozen=True, slots=True)
class Downloader:
    """Downloads the files of one snapshot, each at most once."""

    hub: HubClient
    store: Store
    results: BuildRecords
    client: httpx2.Client
    snapshot: HubSnapshot

    def fetch(self, file: RemoteFile, progress: Progress) -> StoredFile:
        """Fetch a file into the store; transfers nothing if the store has it already.

        Raises FileCorrupt after a second wrong copy, StorageFull, AccessRestricted, HubUnreachable.
        """
        sha256 = self._here(file)
        if sha256 is None:
            with exclusive(content_lock(self.store, "fetch", file)):
                sha256 = self._here(file) or self._bring(file, progress)
        progress(file.size)
        return StoredFile(file.path, sha256, file.size)

    def _here(self, file: RemoteFile) -> str | None:
        known = stored_sha(file, self.results)
        return known if known and self.store.has(known) else None

    def _bring(self, file: RemoteFile, progress: Progress) -> str:
        part = self.store.incoming(part_key(file))
        have = part.stat().st_size if part.exists() else 0
        self.store.make_room(max(0, file.size - have))
        sha256 = self._whole(file, progress) or self._whole(file, progress)
        if sha256 is None:
            raise self._corrupt(file)
        self.store.adopt(part, sha256, verify=False)
        if file.sha256 is None:
            self.results.record_build(file.git_oid, RECIPE, sha256, file.size)
        return sha256

    def _whole(self, file: RemoteFile, progress: Progress) -> str | None:
        """The sha256 of the finished part; if it is corrupt, discards the part and returns None."""
        key = part_key(file)
        try:
            with PartialDownload(self.store.incoming(key), file) as part:
                self._fill(file, part, progress)
                return part.verified()
        except Corrupt:
            self.store.discard(key)
            return None

    def _fill(self, file: RemoteFile, part: PartialDownload, progress: Progress) -> None:
        """Retry until the part is complete; only attempts without a new byte count."""
        attempt = 0
        while not part.is_whole:
            before = part.done
            try:
                self._transfer(file, part, progress)
            except (_Broken, httpx2.RequestError, httpx2.InvalidURL) as error:
                attempt = 1 if part.done > before else attempt + 1
                self._wait(attempt, error)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise
                self.store.make_room(file.size - part.done)

    def _transfer(self, file: RemoteFile, part: PartialDownload, progress: Progress) -> None:
        """Make one request for the missing bytes."""
        url = self.hub.file_url(self.snapshot, file)
        wanted = _missing(part)
        with self.client.stream("GET", url, headers=wanted) as response:
            self._check(response, file, part)
            part.etag = response.headers.get("etag")
            # Unbuffered: buffered bytes would be lost when the connection breaks.
            for chunk in response.iter_raw():
                part.append(chunk)
                progress(part.done)
        if not part.is_whole:
            raise _Broken("the transfer ended early")

    def _check(self, response: httpx2.Response, file: RemoteFile, part: PartialDownload) -> None:
        """Accept the response if it continues or restarts the part, else raise."""
        status = response.status_code
        if status == 206 and _continues(response, file, part):
            return
        if status in {200, 206, 416}:
            part.restart()
        if status in {206, 416}:
            raise _Broken("the Hub does not continue where the part ends")
        if status != 200:
            raise self._refusal(response, file)

    def _refusal(self, response: httpx2.Response, file: RemoteFile) -> Exception:
        status = response.status_code
        if status in {401, 403}:
            return restricted(self.hub, self.snapshot.repo)
        if status == 404:
            return NoMatchingFile(f"{self.snapshot.repo} has no {file.path} any more.")
        if status in {408, 429} or status >= 500:
            return _Broken(f"it answered {status}", response.headers.get("retry-after"))
        return unreachable(self.hub, f"it answered {status} for {file.path}")

    def _wait(self, attempt: int, error: Exception) -> None:
        asked = error.retry_after if isinstance(error, _Broken) else None
        if attempt >= self.hub.attempts or (asked and asked_s(asked) > MOST_PATIENT_S):
            raise unreachable(self.hub, str(error) or type(error).__name__) from error
        time.sleep(pause(attempt, self.hub.backoff_s, asked))

    def _corrupt(self, file: RemoteFile) -> FileCorrupt:
        return FileCorrupt(
            f"{file.path} of {self.snapshot.repo} arrives with another content than the Hub says, "
            "twice in a row.",
            fix="Something on the way changes files: a proxy, or a bad mirror in HF_ENDPOINT. "
            "Nothing of it was kept.",
        )


def _missing(part: PartialDownload) -> dict[str, str]:
    """Headers that request only the missing bytes, and only of the same content."""
    if not part.done:
        return {}
    same = {"If-Range": part.etag} if part.etag and part.etag.startswith('"') else {}
    return {"Range": f"bytes={part.done}-", **same}


def _continues(response: httpx2.Response, file: RemoteFile, part: PartialDownload) -> bool:
    span = response.headers.get("content-range", "")
    return span.startswith(f"bytes {part.done}-") and span.endswith((f"/{file.size}", "/*"))
