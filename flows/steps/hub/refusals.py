"""What a refusal of the Hub means: an error for people, or a reason to try again."""

from urllib.parse import urlsplit

import httpx2

from modelyard.flows.errors import (
    AccessRestricted,
    HubUnreachable,
    UnknownRepository,
    UnknownRevision,
)
from modelyard.flows.steps.hub.backoff import asked_by
from modelyard.flows.steps.hub.hub import HubClient
from modelyard.registry.catalog.plain_text import plain_line
from modelyard.registry.errors import ModelyardError

_BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - the Hub's words


class HubTrouble(Exception):
    """A failure that another try may mend; the Hub may ask to wait first, in seconds."""

    def __init__(self, reason: str, asked_s: float = 0.0) -> None:
        super().__init__(reason)
        self.asked_s = asked_s


def refusal(
    hub: HubClient, response: httpx2.Response, repo: str, revision: str
) -> ModelyardError | HubTrouble:
    """The error behind an answer whose status is no success."""
    status = response.status_code
    code = response.headers.get("x-error-code", "")
    if code == "GatedRepo":
        return restricted(hub, repo)
    if code == "RevisionNotFound":
        return UnknownRevision(
            f"{repo} has no revision '{revision}'.",
            fix=f"Its branches and tags are at {hub.page(repo)}/tree/main.",
        )
    if status == 401 and _is_hubs_own(hub, response):
        return _not_logged_in(hub, response, repo)
    if code == "RepoNotFound":
        return unknown(hub, repo)
    return _trouble(hub, response)


def _is_hubs_own(hub: HubClient, response: httpx2.Response) -> bool:
    """Whether the Hub itself answers: the hosts that it redirects to know nothing of accounts."""
    return response.url.host == urlsplit(hub.endpoint).hostname


def _not_logged_in(hub: HubClient, response: httpx2.Response, repo: str) -> ModelyardError:
    """401: the token is wrong, or there is none and the repository may be hidden."""
    message = response.headers.get("x-error-message", "")
    if message == _BAD_TOKEN or (hub.token and not response.headers.get("x-error-code")):
        return AccessRestricted(
            f"{hub.endpoint} refuses our token.", fix="Set HF_TOKEN to a valid token, or unset it."
        )
    return unknown(hub, repo)


def _trouble(hub: HubClient, response: httpx2.Response) -> ModelyardError | HubTrouble:
    """Server errors, limits, and a CDN's refusal, whose signed address may have run out."""
    status = response.status_code
    said = plain_line(response.headers.get("x-error-message", ""), 200)
    reason = f"it answered {status}" + (f" ({said})" if said else "")
    if status in {408, 425, 429} or status >= 500:
        return HubTrouble(reason, asked_by(response.headers))
    if status == 403:
        return HubTrouble(reason)
    return unreachable(hub, reason)


def restricted(hub: HubClient, repo: str) -> AccessRestricted:
    """The error for a gated repository, with or without a token."""
    whose = "the owner of the token has not been let in" if hub.token else "no token is set"
    return AccessRestricted(
        f"{repo} is gated and {whose}.",
        fix=f"Accept its terms at {hub.page(repo)}, then set HF_TOKEN to a token of that account.",
    )


def unknown(hub: HubClient, repo: str) -> UnknownRepository:
    private = "" if hub.token else " If it is private, set HF_TOKEN."
    return UnknownRepository(
        f"{hub.endpoint} has no repository '{repo}'.",
        fix=f"Check the spelling: owner/name.{private}",
    )


def unreachable(hub: HubClient, reason: str, fix: str = "") -> HubUnreachable:
    return HubUnreachable(
        f"The Hub at {hub.endpoint} cannot be used: {reason[:300]}.",
        fix=fix
        or "Check the network and HF_ENDPOINT, then run the same command again: it continues.",
    )
