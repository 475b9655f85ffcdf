"""Resolves a repository and revision to one commit: files with sizes and hashes, and the card."""

import re
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from modelyard.flows.errors import (
    AccessRestricted,
    HubOffline,
    HubUnreachable,
    ModelRefused,
    UnknownRepository,
    UnknownRevision,
)
from modelyard.flows.steps.hub.backoff import MOST_PATIENT_S, asked_s, pause
from modelyard.flows.steps.hub.hub import HubClient, HubSnapshot, RemoteFile
from modelyard.registry.errors import InvalidName

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_REPO = re.compile(rf"{_PART}(/{_PART})?")
_REVISION = re.compile(r"[\w][\w./-]{0,200}")
_MOST_FILES = 10_000


def resolve(hub: HubClient, repo: str, revision: str) -> HubSnapshot:
    """Resolve a revision; raises UnknownRepository, UnknownRevision, AccessRestricted etc."""
    _check_names(repo, revision)
    info = _patiently(hub, lambda: _ask(hub, repo, revision))
    files = tuple(_file(sibling) for sibling in (info.siblings or [])[:_MOST_FILES])
    card: dict[str, Any] = info.card_data.to_dict() if info.card_data else {}
    return HubSnapshot(
        repo=info.id,
        commit=str(info.sha),
        files=files,
        gated=bool(info.gated),
        licence=_licence(card.get("license"), card.get("license_name")),
        pipeline_tag=info.pipeline_tag,
        tags=tuple(info.tags or ()),
    )


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


def _ask(hub: HubClient, repo: str, revision: str) -> "ModelInfo":
    """Make one request, translating the Hub's errors; gated is checked before unknown."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi(endpoint=hub.endpoint.rstrip("/"), token=hub.token or False)
    try:
        return api.model_info(repo, revision=revision, files_metadata=True, timeout=hub.timeout_s)
    except OfflineModeIsEnabled:
        raise HubOffline(
            f"HF_HUB_OFFLINE is set, so that {repo} cannot be looked up.",
            fix="Unset HF_HUB_OFFLINE; what is registered here already is served without the Hub.",
        ) from None
    except GatedRepoError:
        raise restricted(hub, repo) from None
    except RepositoryNotFoundError:
        raise _unknown(hub, repo) from None
    except RevisionNotFoundError:
        raise UnknownRevision(
            f"{repo} has no revision '{revision}'.",
            fix=f"Its branches and tags are at {hub.page(repo)}/tree/main.",
        ) from None


def restricted(hub: HubClient, repo: str) -> AccessRestricted:
    """The error for a gated repository, with or without a token."""
    whose = "the owner of the token has not been let in" if hub.token else "no token is set"
    return AccessRestricted(
        f"{repo} is gated and {whose}.",
        fix=f"Accept its terms at {hub.page(repo)}, then set HF_TOKEN to a token of that account.",
    )


def _unknown(hub: HubClient, repo: str) -> UnknownRepository:
    private = "" if hub.token else " If it is private, set HF_TOKEN."
    return UnknownRepository(
        f"{hub.endpoint} has no repository '{repo}'.",
        fix=f"Check the spelling: owner/name.{private}",
    )


def _patiently(hub: HubClient, ask: Callable[[], "ModelInfo"]) -> "ModelInfo":
    """Retry while the network or the Hub itself fails; raises HubUnreachable in the end."""
    from httpx2 import HTTPError

    for attempt in range(1, hub.attempts + 1):
        try:
            return ask()
        except HTTPError as error:
            wait = _wait(hub, error, attempt)
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _wait(hub: HubClient, error: Exception, attempt: int) -> float:
    """Seconds until the next attempt; raises HubUnreachable if a retry cannot help."""
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else None
    if status == 401:
        raise AccessRestricted(
            f"{hub.endpoint} refuses our token.", fix="Set HF_TOKEN to a valid token, or unset it."
        ) from error
    asked = response.headers.get("retry-after") if response is not None else None
    hopeless = status is not None and status < 500 and status not in {408, 429}
    if hopeless or attempt >= hub.attempts or (asked and asked_s(asked) > MOST_PATIENT_S):
        raise unreachable(hub, f"it answered {status}" if status else str(error)) from error
    return pause(attempt, hub.backoff_s, asked)


def unreachable(hub: HubClient, reason: str) -> HubUnreachable:
    return HubUnreachable(
        f"The Hub at {hub.endpoint} cannot be used: {reason[:300]}.",
        fix="Check the network and HF_ENDPOINT, then run the same command again: it continues.",
    )


def _file(sibling: "RepoSibling") -> RemoteFile:
    """Convert a file entry; raises ModelRefused if its path leads out of its folder."""
    path = PurePosixPath(sibling.rfilename)
    if path.is_absolute() or ".." in path.parts or not sibling.rfilename.isprintable():
        raise ModelRefused(f"The repository has a file with the path {sibling.rfilename!r}.")
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    return RemoteFile(sibling.rfilename, sibling.size or 0, str(sibling.blob_id), sha256)


def _licence(name: object, custom: object) -> str | None:
    """The card's licence; for a custom one, the name its owner gave it."""
    chosen = custom if name == "other" and custom else name
    if isinstance(chosen, list):
        return ", ".join(str(item) for item in chosen) or None
    return str(chosen) if chosen else None
