"""Heads: how large they may be, what they may say, and what is told to whoever goes beyond."""

import pytest

from tests.serving.transport.listening.server import chunked, get, post, serving

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
REFUSED = {
    "a target beyond 16 KiB": (get("/" + "a" * 17_000), 414),
    "a target without an end": (b"GET /" + b"a" * 20_000, 414),
    "a header beyond 64 KiB": (get(more=b"A: " + b"a" * 70_000 + b"\r\n"), 431),
    "a header of 3 MiB": (get(more=b"A: " + b"a" * (3 << 20) + b"\r\n"), 431),
    "a name of 3 MiB": (get(more=b"a" * (3 << 20) + b": a\r\n"), 431),
    "129 headers": (get(more=b"A: b\r\n" * 129), 431),
    "200,000 headers": (get(more=b"A: b\r\n" * 200_000), 431),
    "64 KiB in few headers": (
        get(more=b"".join(b"A%d: %b\r\n" % (i, b"b" * 9000) for i in range(8))),
        431,
    ),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (get(more=b"Host: y\r\n"), 400),
    "two authorizations": (get(more=b"Authorization: a\r\nAuthorization: b\r\n"), 400),
    "two origins": (get(more=b"Origin: a\r\norigin: b\r\n"), 400),
    "two lengths": (post(more=b"Content-Length: 0\r\n"), 400),
    "a length and chunks": (post(more=b"Transfer-Encoding: chunked\r\n"), 400),
    "chunks and a length": (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
    "two transfer encodings": (HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n", 400),
    "another transfer encoding": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunks in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "another expectation": (post(more=b"Expect: a-miracle\r\n"), 417),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "NUL in a header": (get(more=b"A: \0\r\n"), 400),
    "NUL in the target": (get("/\0"), 400),
    "a bare LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "a bare CR": (get(more=b"A: b\rC: d\r\n"), 400),
    "a folded header": (get(more=b"A: b\r\n c\r\n"), 400),
    "space before the colon": (get(more=b"A : b\r\n"), 400),
    "no name": (get(more=b": b\r\n"), 400),
    "a length that is none": (post(more=b"Content-Length: +1\r\n"), 400),
    "letters beyond ASCII in the target": (get("/\u00e9"), 400),
    "no target": (b"GET HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a chunk of no size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a chunk beyond all sizes": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        400,
    ),
}


async def test_what_is_not_sound_is_refused_and_the_connection_closed() -> None:
    """With the status that says why, readable also where much more was sent; nothing hangs."""
    wrong = dict[str, tuple[int, bool, bytes]]()
    async with serving() as served:
        for name, (data, status) in REFUSED.items():
            client = await served.open()
            await client.write(data)
            answer = await client.answer()
            found = answer.status, answer.closes, await client.ended()
            if found != (status, True, b""):
                wrong[name] = found
    assert wrong == {}


async def test_it_is_refused_however_it_is_cut() -> None:
    """A byte at a time, as far as it takes."""
    wrong = dict[str, int]()
    async with serving() as served:
        for name, (data, status) in REFUSED.items():
            found = await served.said(*(data[at : at + 1] for at in range(400)), data[400:])
            if found.status != status:
                wrong[name] = found.status
    assert wrong == {}


FINE = {
    "64 KiB at most": (get(more=b"A: " + b"a" * 60_000 + b"\r\n"), {}),
    "127 headers more": (get(more=b"A: b\r\n" * 127), {}),
    "a target of 16 KiB": (get("/" + "a" * 16_000), {"path": "/" + "a" * 16_000}),
    "a query": (get("/a%20b?c=%64&c=e"), {"path": "/a b", "query": "c=%64&c=e"}),
    "scheme and host in the target": (get("http://x/a?b=c"), {"path": "/a", "query": "b=c"}),
    "scheme and host alone": (get("http://x"), {"path": "/"}),
    "empty lines first": (b"\r\n\r\n" + get("/a"), {"path": "/a"}),
    "HTTP/1.0": (b"GET /a HTTP/1.0\r\n\r\n", {"path": "/a"}),
    "a body in chunks": (chunked(b"ab", b"c" * 70_000), {"size": 70_002}),
    "a body": (post(body=b"a" * 300_000), {"size": 300_000}),
    "values of bytes": (get(more=b"A: \xff\xfe\r\n"), {}),
    "an offer to change to WebSocket": (
        post(body=b"abc", more=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        {"size": 3, "method": "POST"},
    ),
    "an offer to change to HTTP/2": (
        post("/a?b", b"abc", b"Connection: a, upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
        {"size": 3, "path": "/a", "query": "b"},
    ),
    "an offer with chunks": (
        HEAD
        + b"Connection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\na\r\n0\r\n\r\n",
        {"size": 1},
    ),
    "an offer without a body": (
        get("/a", b"Connection: Upgrade\r\nUpgrade: x\r\n"),
        {"path": "/a"},
    ),
}


@pytest.mark.parametrize("piece", [1 << 30, 1000, 7])
async def test_what_is_sound_is_answered_however_it_is_cut(piece: int) -> None:
    """Offers of other protocols are not taken up; RFC 9110 leaves that to the server."""
    async with serving() as served:
        for name, (data, expected) in FINE.items():
            step = max(piece, len(data) // 1000)
            answer = await served.said(*(data[at : at + step] for at in range(0, len(data), step)))
            assert answer.status == 200, name
            assert answer.told | expected == answer.told, name


async def test_after_an_offer_the_connection_goes_on() -> None:
    """What comes behind its body is the next request."""
    offer = post("/a", b"abc", b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    async with serving() as served:
        client = await served.open()
        await client.write(offer + offer.replace(b"/a", b"/b") + get("/c"))
        assert [(await client.answer()).told["path"] for _ in range(3)] == ["/a", "/b", "/c"]


async def test_trailers_are_dropped() -> None:
    """What comes after the body was not there when the request was let in."""
    async with serving() as served:
        client = await served.open()
        trailers = b"Authorization: Bearer x\r\nA: b\r\n"
        await client.write(chunked(b"abc", trailers=trailers) + get("/next"))
        first = await client.answer()
        second = await client.answer()
        assert (first.told["size"], second.told["path"]) == (3, "/next")
        assert "authorization" not in first.names + second.names


FRAMING = {
    "trailers": b"1\r\na\r\n0\r\n" + b"A: b\r\n" * 200_000,
    "one long trailer": b"1\r\na\r\n0\r\nA: " + b"b" * 600_000,
    "an extension of a chunk": b"1;" + b"a" * 600_000,
    "extensions of chunks": (b"1;" + b"a" * 1000 + b"\r\na\r\n") * 600,
    "leading zeros": b"0" * 600_000,
}


async def test_what_frames_a_body_is_bounded() -> None:
    """Sizes of chunks, their extensions and trailers: they are no way around the head's bound."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving() as served:
        for name, data in FRAMING.items():
            assert (await served.said(head, data)).status in {400, 431}, name


async def test_small_chunks_are_no_attack() -> None:
    """A body of some size may come in chunks of a few bytes."""
    async with serving() as served:
        assert (await served.said(chunked(*[b"ab"] * 10_000))).told["size"] == 20_000


async def test_a_body_is_asked_for_where_the_client_waits_for_that() -> None:
    """`100 Continue`, once the application reads; not where it does not."""
    async with serving() as served:
        client = await served.open()
        await client.write(post(body=b"abc", more=b"Expect: 100-continue\r\n")[:-3])
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.write(b"abc")
        assert (await client.answer()).told["size"] == 3
        await client.write(post("/unread", body=b"abc", more=b"Expect: 100-continue\r\n")[:-3])
        assert (await client.answer()).status == 401
