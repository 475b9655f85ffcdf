"""Who is logged in: the browser keeps a cookie, this process keeps what it stands for.

The cookie is a random number. The credential never reaches the browser, and a session ends when
its time is over, at a log-out, and when this process does.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.dashboard.client import GatewayClient
from modelyard.serving.wire.admin.account import Me

COOKIE = "modelyard_session"
LIFE_S = 8 * 3600.0
"""Seconds that a login by key lasts; one by password ends with its token, within an hour."""

MOST = 10_000


@dataclass(frozen=True, slots=True)
class DashboardSession:
    """A user, and a gateway client with this user's credential, which repr hides."""

    me: Me
    gateway: GatewayClient = field(repr=False)


@dataclass(slots=True)
class Sessions:
    """Sessions by the cookie's value; safe for threads; the oldest goes where there are too many.

    `clock` tells seconds.
    """

    clock: Callable[[], float] = time.monotonic
    most: int = MOST
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: dict[str, tuple[DashboardSession, float]] = field(
        default_factory=dict[str, tuple[DashboardSession, float]], repr=False
    )

    def begin(self, session: DashboardSession, life_s: float = LIFE_S) -> str:
        """Keep a session for `life_s` seconds; returns the cookie's value."""
        name = secrets.token_urlsafe(32)
        now = self.clock()
        with self._lock:
            for old in [old for old, (_, until) in self._open.items() if until <= now]:
                del self._open[old]
            while len(self._open) >= self.most:
                del self._open[next(iter(self._open))]
            self._open[name] = (session, now + life_s)
        return name

    def find(self, name: str) -> DashboardSession | None:
        """The session of a cookie's value; None if there is none, or no longer."""
        with self._lock:
            session, until = self._open.get(name, (None, 0.0))
        return session if until > self.clock() else None

    def end(self, name: str) -> None:
        with self._lock:
            self._open.pop(name, None)


SESSIONS = Sessions()
"""Those of this process: the server asks who may open a page, the pages who has opened it."""
