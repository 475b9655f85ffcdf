"""Resolves a repository and revision to one commit: files with sizes and hashes, and the card."""

import re
from urllib.parse import quote

from modelyard.flows.steps.hub.answers import read_answer
from modelyard.flows.steps.hub.hub import HubClient, HubSnapshot, RemoteFile
from modelyard.flows.steps.hub.question import HubQuestion
from modelyard.registry.errors import InvalidName

_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_REPO = re.compile(rf"{_PART}(/{_PART})?")
_REVISION = re.compile(r"[\w][\w./-]{0,200}")


def resolve(hub: HubClient, repo: str, revision: str) -> HubSnapshot:
    """Resolve a revision; raises UnknownRepository, UnknownRevision, AccessRestricted etc."""
    _check_names(repo, revision)
    url = f"{hub.endpoint.rstrip('/')}/api/models/{repo}/revision/{quote(revision, safe='')}"
    return read_answer(HubQuestion(hub, repo, revision).answer("GET", url, blobs="true"), repo)


def check_access(hub: HubClient, snapshot: HubSnapshot, file: RemoteFile) -> None:
    """Ask the Hub whether we may read a gated repository, even if its bytes are here already.

    Raises AccessRestricted; costs one request without a body, and none for an open repository.
    """
    if snapshot.gated:
        question = HubQuestion(hub, snapshot.repo, snapshot.commit, follows=False)
        question.answer("HEAD", hub.file_url(snapshot, file))


def _check_names(repo: str, revision: str) -> None:
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith(".git"):
        raise InvalidName(
            f"'{repo[:200]}' is not the name of a repository.",
            fix="Write it as on the Hub: owner/name.",
        )
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise InvalidName(
            f"'{revision[:200]}' is not a revision.", fix="Use a branch, a tag or a commit."
        )
