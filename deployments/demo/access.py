"""Who may see and read what: private repositories are hidden, gated ones show but do not open."""

from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.deployments.demo.refusal import Refusal
from modelyard.deployments.demo.repository import HubRepositories, Repository
from modelyard.registry.web.authorization import bearer, carries
from modelyard.registry.web.origins import from_page, refuse

_MEMBERS_ONLY = b'{"error":"This Hub asks for the token of its own."}'


@dataclass(frozen=True, slots=True)
class Access:
    """The shelf as a caller sees it; a caller with one of `tokens` sees and opens everything."""

    shelf: HubRepositories
    tokens: frozenset[str]

    async def look(self, request: Request) -> Repository:
        """The repository and revision an address names, for its description.

        Raises:
            Refusal: 401 for a bad token, 401 or 404 RepoNotFound, 404 RevisionNotFound.
        """
        token = self.token(request)
        repo_id = "{owner}/{name}".format_map(request.path_params)
        repository = await run_in_threadpool(self.shelf.find, repo_id)
        if repository is None or not self.visible(repository, token):
            # As the Hub does: a stranger can't tell a hidden repository from none.
            raise Refusal(404 if token else 401, "Repository not found", "RepoNotFound")
        return repository.at(request.path_params.get("revision", "main"))

    async def open(self, request: Request) -> Repository:
        """As `look`, for its files: a gated repository is refused with 401 or 403 GatedRepo."""
        repository = await self.look(request)
        token = self.token(request)
        if repository.card.gated and token not in self.tokens:
            message = f"Access to model {repository.id} is restricted. Please log in."
            raise Refusal(403 if token else 401, message, "GatedRepo")
        return repository

    def visible(self, repository: Repository, token: str | None) -> bool:
        return not repository.card.private or token in self.tokens

    def token(self, request: Request) -> str | None:
        """The caller's token; one that is unknown is refused, when the Hub knows any."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return None
        if self.tokens and token not in self.tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return token


@dataclass(frozen=True, slots=True)
class Members:
    """A Hub for the programs that hold one token: all others are refused, whatever is asked."""

    app: ASGIApp
    token: str = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_member(scope):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 401, _MEMBERS_ONLY, (b"content-type", b"application/json"))

    def _is_member(self, scope: Scope) -> bool:
        headers = scope["headers"]
        return carries(headers, bearer(self.token)) and not from_page(headers)
