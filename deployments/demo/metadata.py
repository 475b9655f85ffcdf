"""The Hub's `/api` addresses: who calls, what models there are, and what is in them."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelyard.deployments.demo import descriptions
from modelyard.deployments.demo.access import Access
from modelyard.deployments.demo.refusal import Refusal

MODEL = "/api/models/{owner}/{name}"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything about repositories but the content of their files."""

    access: Access

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/api/whoami-v2", self.whoami),
            Route("/api/models", self.models),
            Route(MODEL, self.model),
            Route(MODEL + "/revision/{revision:path}", self.model),
            Route(MODEL + "/tree/{revision}", self.tree),
            Route(MODEL + "/tree/{revision}/{path:path}", self.tree),
            Route(MODEL + "/paths-info/{revision}", self.paths, methods=["POST"]),
            Route(MODEL + "/refs", self.refs),
            Route(MODEL + "/commits/{revision}", self.commits),
        ]

    async def whoami(self, request: Request) -> Response:
        if self.access.token(request) is None:
            raise Refusal(401, "Invalid username or password.")
        key = {"displayName": "local", "role": "read"}
        auth = {"type": "access_token", "accessToken": key}
        user = {"type": "user", "id": "1", "name": "local", "fullname": "Local", "orgs": []}
        return JSONResponse({**user, "auth": auth})

    async def models(self, request: Request) -> Response:
        """Those the caller may see, most downloads first (or by `sort`), at most `limit`."""
        token = self.access.token(request)
        query = request.query_params
        shelf = await run_in_threadpool(lambda: list(self.access.shelf.all()))
        seen = [descriptions.model(repo) for repo in shelf if self.access.visible(repo, token)]
        wanted = [model for model in seen if _wanted(model, request)]
        wanted.sort(key=lambda model: model.get(query.get("sort", "downloads")) or 0, reverse=True)
        return JSONResponse(wanted[: int(query.get("limit", "1000"))])

    async def model(self, request: Request) -> Response:
        repository = await self.access.look(request)
        return JSONResponse(descriptions.model(repository, blobs=_is_set(request, "blobs")))

    async def tree(self, request: Request) -> Response:
        repository = await self.access.look(request)
        base = request.path_params.get("path", "").strip("/")
        entries = descriptions.tree(repository, base, recursive=_is_set(request, "recursive"))
        if base and not entries:
            raise Refusal(404, f"{base} does not exist", "EntryNotFound", repository.commit)
        return JSONResponse(entries)

    async def paths(self, request: Request) -> Response:
        """The entries of the files named in the body, a form or JSON; unknown ones left out."""
        repository = await self.access.look(request)
        body = (await request.body()).decode()
        is_json = "json" in request.headers.get("content-type", "")
        names: list[str] = (json.loads(body) if is_json else parse_qs(body)).get("paths", [])
        known = [name for name in names if name in repository.files]
        return JSONResponse([descriptions.file(name, repository.files[name]) for name in known])

    async def refs(self, request: Request) -> Response:
        return JSONResponse(descriptions.refs(await self.access.look(request)))

    async def commits(self, request: Request) -> Response:
        return JSONResponse(descriptions.commits(await self.access.look(request)))


def _is_set(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in {"true", "1"}


def _wanted(model: dict[str, Any], request: Request) -> bool:
    """Whether a model passes the query's search, author, pipeline_tag and filter."""
    query = request.query_params
    words = {*model["tags"], model["pipeline_tag"], model["library_name"]}
    return (
        query.get("search", "").lower() in model["id"].lower()
        and query.get("author", model["author"]) == model["author"]
        and query.get("pipeline_tag", model["pipeline_tag"]) == model["pipeline_tag"]
        and words.issuperset(query.getlist("filter"))
    )
