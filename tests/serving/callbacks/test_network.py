"""A callback reaches the internet or what the operator lists, and nothing else, whatever is tried.

An audit hook sees each connection that this process begins, so none is missed.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from modelyard.serving.callbacks.address_rules import check_url
from modelyard.serving.callbacks.allowed_hosts import NONE_ALLOWED, AllowedHosts
from modelyard.serving.callbacks.errors import NotSent
from modelyard.serving.callbacks.global_addresses import Address, is_global
from modelyard.serving.callbacks.network import (
    MOST_ANSWER,
    CallbackMessage,
    CallbackNetwork,
)
from modelyard.serving.callbacks.resolving import Resolver, resolve
from modelyard.serving.errors import InvalidRequest
from tests.serving.callbacks.hostile_urls import hostile_urls, inside_addresses
from tests.serving.callbacks.receiver import Receiver, certificates

pytestmark = pytest.mark.anyio

LOOPBACK = AllowedHosts.of("127.0.0.1/32, receiver.example")
_watching = list[list[Any]]()


def _audit(event: str, facts: tuple[Any, ...]) -> None:
    if _watching and event == "socket.connect":
        _watching[-1].append(facts[1])


sys.addaudithook(_audit)


@pytest.fixture
def connected() -> Generator[list[Any]]:
    """Where this process connects to while the test runs."""
    _watching.append([])
    yield _watching[-1]
    _watching.pop()


def answering(*answers: list[str]) -> Resolver:
    """A resolver that gives these answers in turn, and for ever, whatever it is asked."""
    turns: Iterator[list[Address]] = cycle([[ip_address(a) for a in one] for one in answers])

    async def answer(host: str) -> list[Address]:
        await asyncio.sleep(0)
        return next(turns)

    return answer


@asynccontextmanager
async def way_out(
    allowed: AllowedHosts = LOOPBACK, resolver: Resolver | None = None, **more: Any
) -> AsyncGenerator[CallbackNetwork]:
    network = CallbackNetwork(allowed, resolver or answering(["127.0.0.1"]), **more)
    try:
        yield network
    finally:
        await network.close()


async def posted(network: CallbackNetwork, url: str) -> int | str:
    """The status, or why there is none."""
    try:
        return await network.post(CallbackMessage(url, {"x-test": "1"}, b"{}"))
    except NotSent as error:
        return str(error)


async def test_hostile_urls_connect_to_nothing(connected: list[Any]) -> None:
    """Refused when handed in, and when sent to although they were not."""
    async with Receiver().listening() as receiver, way_out(NONE_ALLOWED, resolve) as network:
        urls = [*hostile_urls(receiver.port)]
        assert len(urls) >= 200
        for url in urls:
            with pytest.raises(InvalidRequest) as refusal:
                check_url(url)
            assert refusal.value.param == "callback_url"
            assert refusal.value.fix
            assert isinstance(await posted(network, url), str), url
        assert (receiver.connections, connected) == (0, [])


async def test_hostile_answers_of_a_resolver_connect_to_nothing(connected: list[Any]) -> None:
    """Each by itself, and hidden behind an address of the internet; nobody is told which it was."""
    inside = [str(address) for address in inside_addresses()]
    answers = [*([one] for one in inside), *(["8.8.8.8", one] for one in inside)]
    async with way_out(NONE_ALLOWED, answering(*answers)) as network:
        told = {await posted(network, "https://rebinding.example/") for _ in answers}
    assert told == {"its name leads to an address that is not on the internet"}
    assert connected == []


async def test_a_name_is_looked_up_once(connected: list[Any]) -> None:
    """One that leads elsewhere the next time is refused then, and never connected to."""
    rebinding = answering(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"])
    allowed = AllowedHosts.of("127.0.0.1/32, listed.example")
    by_name = answering(["127.0.0.1"])
    async with (
        Receiver().listening() as receiver,
        way_out(allowed, by_name) as network,
        way_out(AllowedHosts.of("127.0.0.1/32"), rebinding, whole_s=1) as rebound,
    ):
        assert await posted(network, receiver.url("/", host="listed.example")) == 200
        url = receiver.url("/", scheme="https", host="rebinding.example")
        told = [await posted(rebound, url) for _ in range(3)]
    assert told[0] == "no answer within 1 s"  # it was asked, but it speaks no TLS
    assert told[1:] == ["its name leads to an address that is not on the internet"] * 2
    assert {peer[0] for peer in connected} == {"127.0.0.1"}


async def test_a_redirect_is_not_followed(connected: list[Any]) -> None:
    """Nor is a cookie kept; the status is what it is."""
    async with Receiver().listening() as receiver, way_out() as network:
        for _ in range(2):
            assert await posted(network, receiver.url("/moved")) == 302
    assert [one.path for one in receiver.got] == ["/moved"] * 2
    assert "cookie" not in receiver.got[1].headers
    assert len(connected) == 2


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    async with Receiver().listening() as proxy, Receiver().listening() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with way_out() as network:
            assert await posted(network, receiver.url("/a?b=c")) == 200
    assert proxy.connections == 0
    assert [one.path for one in receiver.got] == ["/a?b=c"]


async def test_host_and_certificate_are_the_names(tmp_path: Path) -> None:
    """Although the connection goes to an address; a certificate of another name is refused."""
    server, client = certificates("receiver.example", tmp_path)
    async with (
        Receiver().listening(server) as receiver,
        way_out(tls=client) as network,
        way_out(AllowedHosts.of("127.0.0.1"), tls=client) as strict,
    ):
        assert await posted(network, receiver.url("/a", scheme="https")) == 200
        assert await posted(strict, receiver.url("/a", scheme="https")) == 200
        other = receiver.url("/b", scheme="https", host="other.example")
        assert "certificate" in str(await posted(network, other)).lower()
    assert {one.headers["host"] for one in receiver.got} == {f"receiver.example:{receiver.port}"}
    assert {one.path for one in receiver.got} == {"/a"}


async def test_the_next_address_is_tried(connected: list[Any]) -> None:
    """Where nobody listens at the first one."""
    allowed = AllowedHosts.of("127.0.0.0/8, receiver.example")
    async with Receiver().listening() as receiver:
        async with way_out(allowed, answering(["127.0.0.9", "127.0.0.1"])) as network:
            assert await posted(network, receiver.url("/")) == 200
        async with way_out(allowed, answering(["127.0.0.9"])) as network:
            assert "no connection" in str(await posted(network, receiver.url("/")))
        async with way_out(allowed, answering([])) as network:
            assert await posted(network, receiver.url("/")) == "its name has no address"
    assert [peer[0] for peer in connected] == ["127.0.0.9", "127.0.0.1", "127.0.0.9"]


async def test_a_receiver_that_does_not_answer_is_left() -> None:
    """One that answers and then talks on has answered; 10 MB of it are not read."""
    async with Receiver().listening() as receiver:
        async with way_out(whole_s=0.3) as network:
            assert await posted(network, receiver.url("/hang")) == "no answer within 0.3 s"
        async with way_out(whole_s=60) as network:
            assert await posted(network, receiver.url("/slow-body")) == 200
            assert await posted(network, receiver.url("/huge")) == 200
    assert MOST_ANSWER < 100_000


async def test_a_lookup_that_fails_or_hangs_is_told() -> None:
    """In words that say nothing of the resolver."""

    async def lost(host: str) -> list[Address]:
        raise OSError("10.0.0.53 refused")

    async def hanging(host: str) -> list[Address]:
        await asyncio.Event().wait()
        return []

    async with way_out(resolver=lost) as network:
        assert await posted(network, "https://receiver.example/") == "its name was not found"
    async with way_out(resolver=hanging, whole_s=0.05) as network:
        assert "no answer within" in str(await posted(network, "https://receiver.example/"))
    assert await resolve("127.0.0.1") == [ip_address("127.0.0.1")]
    assert ip_address("127.0.0.1") in await resolve("localhost")
    with pytest.raises(OSError, match="not found"):
        await resolve("no-such-name.invalid")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e"]
)
def test_the_internet_is_reached(address: str) -> None:
    assert is_global(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    check_url(f"https://{host}:8443/path?query=1")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://hooks.example.com.:8443/a/b?c=d&e=%20",
        "https://a_b.xn--bcher-kva.example/",
        "HTTPS://EXAMPLE.COM/",
        "https://3com.example/",
    ],
)
def test_ordinary_urls_are_accepted(url: str) -> None:
    check_url(url)


def test_the_operators_list_has_names_and_networks() -> None:
    """What it lists may be inside and without TLS; nobody is vouched for by accident."""
    allowed = AllowedHosts.of("Hooks.corp., 10.1.0.0/16 ,fd00::/8,192.168.1.7")
    for url in (
        "http://hooks.corp/x",
        "http://10.1.2.3:80/",
        "http://[fd00::1]/",
        "https://hooks.CORP",
    ):
        check_url(url, allowed)
    for url in (
        "http://a.hooks.corp/x",
        "http://10.2.0.1/",
        "http://example.com/",
        "https://[fe80::1]/",
    ):
        with pytest.raises(InvalidRequest):
            check_url(url, allowed)
    assert allowed.may_reach("hooks.corp", ip_address("10.9.9.9"))
    assert allowed.may_reach("other.example", ip_address("10.1.9.9"))
    assert not allowed.may_reach("other.example", ip_address("10.9.9.9"))
    assert not allowed.may_reach("hooks.corp", ip_address("0.0.0.0"))  # noqa: S104  refused
    assert not allowed.may_reach("hooks.corp", ip_address("224.0.0.1"))
    with pytest.raises(ValueError, match="10"):
        AllowedHosts.of("10.0.0.0/33")
