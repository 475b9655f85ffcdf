"""The login answers every try with a page, and begins a session where it may."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.login import ENDED, LOGOUT, LoginPage
from modelyard.dashboard.sessions import COOKIE, DashboardSession, Sessions

pytestmark = pytest.mark.anyio

UNKNOWN_KEY = "This API key is unknown, expired or revoked."


@asynccontextmanager
async def browser(
    gateway: GatewayClient, sessions: Sessions | None = None
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the login page alone."""
    page = LoginPage(gateway.using(""), sessions or Sessions())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await page.answer(Request(scope, receive))
        await answer(scope, receive, send)

    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://dashboard") as client:
        yield client


async def test_a_right_key_leads_to_the_page_that_was_wanted(nobody_yet: DashboardSession) -> None:
    """The session is the key's owner's, and the cookie is read by no script."""
    sessions = Sessions()
    async with browser(nobody_yet.gateway, sessions) as client:
        form = {"key": f" {nobody_yet.gateway.credential} ", "next": "/models?name=owner/tiny@1"}
        answer = await client.post("/login", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, form["next"])
    session = sessions.find(answer.cookies[COOKIE])
    assert session is not None
    assert session.me.name == "admin"
    told = answer.headers["Set-Cookie"]
    assert "HttpOnly" in told
    assert "SameSite=lax" in told
    assert nobody_yet.gateway.credential not in told


@pytest.mark.parametrize("key", ["my_wrong", "clé", "", "a\nb"])
async def test_a_key_that_is_none_is_unknown(nobody_yet: DashboardSession, key: str) -> None:
    """A slip of the clipboard is a wrong key, not an error of ours."""
    async with browser(nobody_yet.gateway) as client:
        answer = await client.post("/login", data={"key": key})
    assert answer.status_code == 401
    assert UNKNOWN_KEY in answer.text
    assert COOKIE not in answer.cookies


async def test_a_wrong_password_does_not_say_which_part_was_wrong(
    nobody_yet: DashboardSession,
) -> None:
    """Whether a name exists is nobody's business."""
    async with browser(nobody_yet.gateway) as client:
        form = {"name": "nobody", "password": "wrong"}
        answer = await client.post("/login", data=form)
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text


async def test_a_gateway_that_is_away_is_told_at_the_login() -> None:
    """The address is in the message, so that a wrong one is seen."""
    async with browser(GatewayClient.at("http://127.0.0.1:9")) as client:
        answer = await client.post("/login", data={"key": "my_key"})
    assert answer.status_code == 502
    assert "http://127.0.0.1:9" in answer.text
    assert "does not answer" in answer.text


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/runs\r\nSet-Cookie: a=b", "/"),
        ("/runs", "/runs"),
    ],
)
async def test_a_login_leads_to_no_foreign_address(
    nobody_yet: DashboardSession, page: str, leads_to: str
) -> None:
    """Only to a page of this server."""
    async with browser(nobody_yet.gateway) as client:
        form = {"key": nobody_yet.gateway.credential, "next": page}
        answer = await client.post("/login", data=form)
    assert answer.headers["Location"] == leads_to


async def test_what_is_no_form_is_refused_before_anybody_is_asked() -> None:
    """Too large, too many fields, another method; what is shown again is text, not HTML."""
    async with browser(GatewayClient.at("http://127.0.0.1:9")) as client:
        assert (await client.post("/login", content=b"x" * 100_000)).status_code == 413
        many = "&".join(f"a{i}=1" for i in range(100))
        assert (await client.post("/login", content=many)).status_code == 401
        assert (await client.delete("/login")).status_code == 405
        shown = await client.get("/login", params={"notice": "<script>alert(1)</script>"})
        assert "alert" not in shown.text
        assert "has ended" in (await client.get("/login", params={"notice": ENDED})).text
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("site", "stays"), [("cross-site", True), ("same-origin", False)])
async def test_no_link_of_another_site_logs_out(
    nobody_yet: DashboardSession, site: str, *, stays: bool
) -> None:
    """The browser says from where it was sent; what the address says is not repeated."""
    sessions = Sessions()
    name = sessions.begin(nobody_yet, 60)
    page = LoginPage(nobody_yet.gateway, sessions)
    headers = [(b"cookie", f"{COOKIE}={name}".encode()), (b"sec-fetch-site", site.encode())]
    query = b"notice=Call+0190"
    scope = {"type": "http", "path": LOGOUT, "query_string": query, "headers": headers}
    answer = page.log_out(Request(scope))
    assert (sessions.find(name) is not None) is stays
    assert answer.headers["Location"] == ("/" if stays else "/login")
