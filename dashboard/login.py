"""The login page: plain HTML, so that nobody opens a page of Streamlit before logging in."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.sessions import COOKIE, LIFE_S, DashboardSession, Sessions
from modelyard.registry.errors import ModelyardError, NotAuthenticated
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.web.forwarded import signed

LOGIN = "/login"
LOGOUT = "/logout"
BODY_BYTES = 16_384
BODY_S = 10.0
AT_ONCE = 8
"""Logins that are asked of the gateway at a time; others wait."""

_PAGE = Template(Path(__file__).with_name("login.html").read_text(encoding="utf-8"))
_OWN_PAGE = re.compile(r"/(?!/)[\w./?=&%@+-]*")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"
ENDED = "ended"
_NOTICES = {ENDED: "Your session has ended. Please log in again."}
"""What an address may have the form say: no words of whoever made the address."""

_NO_KEY = "This API key is unknown, expired or revoked."
_NO_PASSWORD = "The name or the password is wrong."  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class LoginPage:
    """Shows the form and begins sessions.

    The gateway counts wrong passwords by the browser's address, which is signed with `token`.
    The cookie is read by no script (HttpOnly) and is not sent along by forms of other sites
    (SameSite=Lax).
    """

    gateway: GatewayClient
    sessions: Sessions
    token: str = field(default="", repr=False)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def admits(self, cookies: Mapping[str, str]) -> bool:
        """Whether these cookies name a session."""
        return self.sessions.find(cookies.get(COOKIE, "")) is not None

    async def answer(self, request: Request) -> Response:
        """The form (GET), or the page that a login leads to (POST)."""
        if request.method == "GET":
            if self.admits(request.cookies):
                return RedirectResponse(_own(request.query_params), 303)
            notice = _NOTICES.get(request.query_params.get("notice", ""), "")
            return self._form(_own(request.query_params), notice)
        if request.method != "POST":
            return PlainTextResponse("This page is read or posted to.\n", 405)
        try:
            text = await asyncio.wait_for(_body(request), BODY_S)
        except TimeoutError:
            return PlainTextResponse("The form did not come in time.\n", 408)
        if text is None:
            return PlainTextResponse("The form is too large.\n", 413)
        return await self._log_in(request, {k: v[0] for k, v in _fields(text).items()})

    def log_out(self, request: Request) -> Response:
        """End the session that the cookie names; leads to the form, which shows the notice.

        Pages of other sites end nobody's session by a link to here.
        """
        if request.headers.get("sec-fetch-site") == "cross-site":
            return RedirectResponse("/", 303)
        self.sessions.end(request.cookies.get(COOKIE, ""))
        notice = request.query_params.get("notice", "")
        answer = RedirectResponse(
            address_of(LOGIN, notice=notice if notice in _NOTICES else ""), 303
        )
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return answer

    async def _log_in(self, request: Request, given: dict[str, str]) -> Response:
        is_key = "key" in given
        address = request.client.host if request.client else ""
        begin = self._by_key if is_key else partial(self._by_password, address)
        try:
            async with self._places:
                name, life_s = await asyncio.to_thread(begin, given)
        except NotAuthenticated:
            return self._form(_own(given), _NO_KEY if is_key else _NO_PASSWORD, 401)
        except ModelyardError as error:
            return self._form(_own(given), f"{error.message} {error.fix}".strip(), 502)
        answer = RedirectResponse(_own(given), 303)
        answer.set_cookie(
            COOKIE,
            name,
            max_age=int(life_s),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    def _by_key(self, given: dict[str, str]) -> tuple[str, float]:
        key = given["key"].strip()
        if not (key and key.isascii() and key.isprintable()):  # no header could carry it
            raise NotAuthenticated("Keys have no such signs.")
        return self._begin(self.gateway.using(key), LIFE_S)

    def _by_password(self, address: str, given: dict[str, str]) -> tuple[str, float]:
        name = given.get("name", "").strip()
        password = given.get("password", "")
        if not (name and password):
            raise NotAuthenticated("A name and a password are needed.")
        browser = signed(address, self.token) if address and self.token else ""
        session = self.gateway.login(name, password, browser)
        return self._begin(self.gateway.using(session.access_token), session.expires_in)

    def _begin(self, gateway: GatewayClient, life_s: float) -> tuple[str, float]:
        session = DashboardSession(gateway.me(), gateway)
        return self.sessions.begin(session, min(life_s, LIFE_S)), min(life_s, LIFE_S)

    def _form(self, page: str, notice: str = "", status: int = 200) -> Response:
        text = _PAGE.substitute(
            gateway=escape(without_logins(self.gateway.url)),
            next=escape(page),
            notice=f'<p role="alert">{escape(notice[:500])}</p>' if notice else "",
        )
        return HTMLResponse(
            text, status, {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        )


def to_login(path: str, query: str) -> Response:
    """Send a browser to the login, which leads back to the page it wanted."""
    page = path + (f"?{query}" if query else "")
    return RedirectResponse(address_of(LOGIN, next="" if page == "/" else page), 303)


def address_of(page: str, **query: str) -> str:
    """A page's address with those parts of a query that are not empty."""
    given = urlencode({name: value for name, value in query.items() if value})
    return f"{page}?{given}" if given else page


def _own(given: Mapping[str, str]) -> str:
    """The page to go to after the login: one of this server, else the first."""
    page = given.get("next", "/")
    return page if _OWN_PAGE.fullmatch(page) else "/"


async def _body(request: Request) -> str | None:
    """The form as it was sent; None if it is too large."""
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > BODY_BYTES:
            return None
    return read.decode("utf-8", "replace")


def _fields(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return {}
