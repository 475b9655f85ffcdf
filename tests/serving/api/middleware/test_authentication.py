"""No address answers without a credential, but for those on the list."""

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from modelyard.serving.api.middleware.authentication import OPEN
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

ALLOWED_OPEN = {"/api/v1/login", "/health", "/health/live", "/health/ready"}
FOREIGN = ("https://evil.example", "http://127.0.0.1:3000", "http://gateway.evil.example", "null")


def _routes(installation: Installation) -> list[tuple[str, str]]:
    return [
        (method, str(context.path).replace(":path", ""))
        for context in iter_route_contexts(installation.app().routes)
        for method in sorted(context.methods or {"GET"})
    ]


async def test_every_route_is_closed_without_a_credential(lite: Installation) -> None:
    """Each route of the application answers 401 to a stranger, unless it is listed here."""
    routes = _routes(lite)
    assert ("POST", "/v1/chat/completions") in routes
    assert ("GET", "/api/v1/me") in routes
    assert OPEN == ALLOWED_OPEN
    async with lite.client() as client:
        for method, path in routes:
            answer = await client.request(method, path)
            expected = path in ALLOWED_OPEN
            assert (answer.status_code != 401) is expected or path == "/api/v1/login", path


async def test_an_address_that_is_not_there_is_closed_too(lite: Installation) -> None:
    """A stranger cannot tell what exists from what does not."""
    async with lite.client() as client:
        assert (await client.get("/api/v1/nothing")).status_code == 401
        assert (await client.get("/health/live/")).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer my_wrong",
        "Basic YTpi",
        "Bearer a.b.c",
        "Bearer " + "x" * 5000,
    ],
)
async def test_a_bad_credential_is_refused_with_the_scheme(lite: Installation, header: str) -> None:
    """401 says how to authenticate, in the form of the API that was asked."""
    async with lite.client() as client:
        for path in ("/api/v1/me", "/v1/models"):
            answer = await client.get(path, headers={"Authorization": header})
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            _is_in_the_form_of(path, answer)


def _is_in_the_form_of(path: str, answer: httpx2.Response) -> None:
    body = answer.json()
    if path.startswith("/v1"):
        assert body["error"]["code"] == "not_authenticated"
    else:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert body["code"] == "not_authenticated"
        assert body["status"] == 401
        assert body["fix"]


async def test_a_key_and_a_session_both_open(installation: Installation) -> None:
    """API keys and session tokens are the same to every route."""
    token = installation.identity.login("ada", "correct horse battery")
    for credential in (installation.ada, token):
        async with installation.client(credential) as client:
            me = (await client.get("/api/v1/me")).json()
            assert me["name"] == "ada"


async def test_every_answer_carries_a_request_id(lite: Installation) -> None:
    """A sound id of the client's is kept, another one replaced."""
    async with lite.client(lite.ada) as client:
        kept = await client.get("/api/v1/me", headers={"X-Request-Id": "abc-1.2_3"})
        assert kept.headers["X-Request-Id"] == "abc-1.2_3"
        made = await client.get("/api/v1/me", headers={"X-Request-Id": "a b\tc"})
        assert len(made.headers["X-Request-Id"]) == 32
        refused = await client.get("/api/v1/me", headers={"Authorization": ""})
        assert refused.headers["X-Request-Id"]


async def test_other_origins_are_answered_only_where_they_are_allowed(lite: Installation) -> None:
    """CORS is off by default; a listed origin passes the preflight without a credential."""
    ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with lite.client() as client:
        assert (await client.options("/v1/chat/completions", headers=ask)).status_code == 403
    async with lite.client(cors_origins="https://app.example, https://b.example") as client:
        answer = await client.options("/v1/chat/completions", headers=ask)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        foreign = await client.options(
            "/v1/chat/completions", headers={**ask, "Origin": "https://evil.example"}
        )
        assert "Access-Control-Allow-Origin" not in foreign.headers


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_is_refused_on_every_route(lite: Installation, origin: str) -> None:
    """Whatever key it has, and on the open addresses too: nothing is read, nothing happens."""
    async with lite.client(lite.admin) as client:
        for method, path in _routes(lite):
            answer = await client.request(method, path, headers={"Origin": origin})
            assert answer.status_code == 403, (method, path)
            if method != "HEAD" and not path.startswith("/v1") and "tokenize" not in path:
                assert "MODELYARD_CORS_ORIGINS" in answer.json()["fix"]


async def test_a_page_of_our_own_address_is_let_in(lite: Installation) -> None:
    """By the names of loopback, on which it listens; a name pointed at it is not one of them."""
    async with lite.client(lite.admin) as client:
        for host in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080"):
            own = {"Origin": f"http://{host}", "Host": host}
            assert (await client.get("/api/v1/me", headers=own)).status_code == 200
        rebound = {"Origin": "http://evil.example:8080", "Host": "evil.example:8080"}
        assert (await client.get("/api/v1/me", headers=rebound)).status_code == 403
    async with lite.client(lite.admin, host="192.0.2.1") as client:
        named = {"Origin": "https://models.example", "Host": "models.example"}
        assert (await client.get("/api/v1/me", headers=named)).status_code == 200
