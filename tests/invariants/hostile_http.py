"""Hostile HTTP, drawn at random: what a stranger or a broken client may write to a socket."""

import json
import random
import string
from dataclasses import dataclass

CHAT = "/v1/chat/completions"
NEVER = frozenset({500, 502, 504})
"""Statuses that no input may bring about."""

OPENS = ("/health", "/health/live", "/api/v1/login", "/v1/models", "/api/v1/me", CHAT, "/nowhere")
REFUSED = frozenset({400, 401, 403, 404, 405, 408, 413, 414, 417, 431, 501, 505})
CONTENT_TYPE = "Content-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class HostileInput:
    """Bytes for one connection, and the statuses that are a right answer to them.

    0 stands for a connection that ends without an answer, which is right where no whole request
    may have been sent: there the client closes its side, and what waits for more ends.
    """

    kind: str
    data: bytes
    right: frozenset[int]

    @property
    def may_be_part(self) -> bool:
        return 0 in self.right


@dataclass(frozen=True, slots=True)
class HostileClient:
    """Draws inputs; `key` is a valid one of a user without rights."""

    draw: random.Random
    key: str

    def next(self) -> HostileInput:
        kinds = (
            self.noise,
            self.mutant,
            self.smuggling,
            self.doubled,
            self.oversized,
            self.body,
            self.credential,
            self.method,
            self.path,
            self.version,
            self.expectation,
            self.cut,
            self.login,
        )
        return self.draw.choice(kinds)()

    def noise(self) -> HostileInput:
        """Bytes without any meaning."""
        data = self.draw.randbytes(self.draw.randint(1, 4000)) + b"\r\n\r\n"
        return HostileInput("noise", b"\x16\x03" + data, frozenset({400}))

    def mutant(self) -> HostileInput:
        """A good request with a few bytes changed, taken out or put in."""
        data = bytearray(self._chat(self._ask()))
        for _ in range(self.draw.randint(1, 4)):
            at = self.draw.randrange(len(data))
            what = self.draw.randrange(3)
            if what == 0:
                data[at] = self.draw.randrange(256)
            elif what == 1:
                del data[at]
            else:
                data.insert(at, self.draw.randrange(256))
        return HostileInput("mutant", bytes(data), REFUSED | {0, 200, 422, 429, 503})

    def smuggling(self) -> HostileInput:
        """Two ways to tell where the body ends, or one that is none."""
        lines = self.draw.choice(
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                "Content-Length: 5\r\nContent-Length: 6\r\n",
                "Content-Length: 5, 5\r\n",
                "Content-Length: +5\r\n",
                "Content-Length: -5\r\n",
                "Content-Length: 0x5\r\n",
                f"Content-Length: {'9' * 30}\r\n",
                "Transfer-Encoding: gzip, chunked\r\n",
                "Transfer-Encoding: chunked, identity\r\n",
                "Transfer-Encoding: xchunked\r\n",
                "Transfer-Encoding : chunked\r\n",
                "Transfer-Encoding:\x0bchunked\r\n",
                "Content-Length: 5\r\n Transfer-Encoding: chunked\r\n",
            )
        )
        body = "0\r\n\r\nGET /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n"
        data = self._head("POST", CHAT, lines) + body
        return HostileInput("smuggling", data.encode("latin-1"), frozenset({400, 501}))

    def doubled(self) -> HostileInput:
        """A header twice that may stand once."""
        name, value = self.draw.choice(
            (
                ("Host", "y"),
                ("Authorization", f"Bearer {self.key}"),
                ("Origin", "http://x"),
                ("Content-Type", "text/plain"),
                ("Expect", "100-continue"),
            )
        )
        name = "".join(self.draw.choice((c.lower(), c.upper())) for c in name)
        line = f"{name}: {value}\r\n"
        path = self.draw.choice(OPENS)
        head = self._head(self.draw.choice(("GET", "POST")), path, line * 2)
        return HostileInput("doubled", (head + "\r\n").encode(), frozenset({400}))

    def oversized(self) -> HostileInput:
        """More than there may be of one part."""
        long = "a" * self.draw.randint(70_000, 300_000)
        get = f"GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n", 414
        header = self._head("GET", "/health", f"A: {long}\r\n") + "\r\n", 431
        many = self._head("GET", "/health", "A: b\r\n" * self.draw.randint(200, 5000)) + "\r\n", 431
        length = self.draw.randint(9 << 20, 1 << 40)
        body = self._head("POST", CHAT, f"{self._own}Content-Length: {length}\r\n") + "\r\n", 413
        login = f"{CONTENT_TYPE}Content-Length: {len(long)}\r\n"
        other = self._head("POST", "/api/v1/login", login) + "\r\n" + long, 413
        data, status = self.draw.choice((get, header, many, body, other))
        return HostileInput("oversized", data.encode(), frozenset({status}))

    def body(self) -> HostileInput:
        """A request to a model with a body that is none."""
        depth = self.draw.randint(500, 100_000)
        body = self.draw.choice(
            (
                b"[" * depth,
                b'{"a":' * depth,
                b'{"model": "talker", "messages": ' + b"[" * depth + b"]" * depth + b"}",
                b'{"model": NaN}',
                b'{"model": "\\ud800"}',
                b'{"model": "talker\\u0000"}',
                b'{"model": "a/b@' + b"9" * self.draw.randint(1, 180) + b'"}',
                b'{"model": ' + b"9" * self.draw.randint(1, 5000) + b"}",
                b'{"model": "../../etc/passwd"}',
                b'{"model": "' + b"a" * self.draw.randint(200, 100_000) + b'"}',
                b"\xff\xfe{}",
                b"",
                b"null",
                json.dumps({"model": self.draw.random()}).encode(),
                self.draw.randbytes(self.draw.randint(1, 2000)),
            )
        )
        return HostileInput("body", self._chat(body), frozenset({400, 404}))

    def credential(self) -> HostileInput:
        """A key that is none, in any form."""
        text = "".join(self.draw.choices(string.printable[:94], k=self.draw.randint(0, 5000)))
        scheme = self.draw.choice(("Bearer ", "bearer my_", "Basic ", "Bearer eyJ", "", "Bearer  "))
        path = self.draw.choice(("/api/v1/me", "/v1/models", CHAT, "/metrics", "/nowhere"))
        method = "POST" if path == CHAT else "GET"
        line = f"Authorization: {scheme}{text}x\r\n"
        return HostileInput(
            "credential", (self._head(method, path, line) + "\r\n").encode(), frozenset({401})
        )

    def method(self) -> HostileInput:
        """A method that the path does not have, or nobody."""
        method = self.draw.choice(
            ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "get", "PROPFIND", "HTTP/1.1")
        )
        path = self.draw.choice(("/health", "/v1/models", CHAT, "*", "http://x/health"))
        head = self._head(method, path, self._own) + "\r\n"
        return HostileInput("method", head.encode(), frozenset({400, 404, 405}))

    def path(self) -> HostileInput:
        """An address that leads out of all that there is."""
        part = self.draw.choice(
            (
                "%00",
                "..%2f",
                "%2e%2e/",
                "//",
                "%ff",
                "%",
                "%zz",
                "\\",
                ";",
                "%0d%0aX:y",
                "\x7f",
                "é",
            )
        )
        path = "/api/v1/gpus/" + part * self.draw.randint(1, 50) + "/history"
        data = self._head("GET", path, self._own) + "\r\n"
        return HostileInput("path", data.encode(), frozenset({200, 400, 404, 405}))

    def version(self) -> HostileInput:
        version = self.draw.choice(("0.9", "1.2", "2.0", "3.0", "9.9", "11", "", "1.1x", "1,1"))
        data = f"GET /health HTTP/{version}\r\nHost: x\r\n\r\n"
        return HostileInput("version", data.encode(), frozenset({400, 505}))

    def expectation(self) -> HostileInput:
        """What is to be met first, and other protocols."""
        lines, status = self.draw.choice(
            (
                ("Expect: 200-maybe\r\n", 417),
                ("Connection: Upgrade\r\nUpgrade: websocket\r\n", 200),
                ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", 200),
                ("Origin: http://evil.example\r\n", 403),
                ("Origin: null\r\n", 403),
            )
        )
        data = self._head("GET", "/health", lines) + "\r\n"
        return HostileInput("expectation", data.encode(), frozenset({status}))

    def cut(self) -> HostileInput:
        """A good request that is never finished."""
        data = self._chat(self._ask())
        end = self.draw.randrange(1, len(data))
        return HostileInput("cut", data[:end], frozenset({0, 400, 408}))

    def login(self) -> HostileInput:
        """One that no password is checked for."""
        body = self.draw.choice(
            (
                b"{}",
                b"[]",
                b"{" * 1000,
                b'{"name": "ada"}',
                b'{"name": "", "password": "x"}',
                b'{"name": "ada", "password": "' + b"a" * 500 + b'"}',
                b'{"name": ["ada"], "password": {"a": 1}}',
                b"\xff" * 100,
            )
        )
        line = f"{CONTENT_TYPE}Content-Length: {len(body)}\r\n\r\n"
        data = self._head("POST", "/api/v1/login", line).encode() + body
        return HostileInput("login", data, frozenset({400}))

    @property
    def _own(self) -> str:
        return f"Authorization: Bearer {self.key}\r\n"

    def _ask(self) -> bytes:
        """A request to a model that is not there: no engine is needed to answer it."""
        return json.dumps({"model": "nobody", "messages": []}).encode()

    def _head(self, method: str, path: str, lines: str) -> str:
        return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}"

    def _chat(self, body: bytes) -> bytes:
        length = f"{CONTENT_TYPE}Content-Length: {len(body)}\r\n\r\n"
        return self._head("POST", CHAT, self._own + length).encode() + body
