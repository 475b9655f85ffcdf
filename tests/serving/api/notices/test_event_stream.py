"""The event stream tells the same as the WebSocket, in a form that browsers read by themselves."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from modelyard.serving.api.notices.event_stream import STREAM
from tests.serving.api.notices.listening_gateway import SOON_S, ListeningGateway, listening
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def streamed(
    gateway: ListeningGateway, query: str, **headers: str
) -> AsyncGenerator[AsyncIterator[str]]:
    """The lines of a stream."""
    async with (
        httpx2.AsyncClient(timeout=SOON_S, trust_env=False) as client,
        client.stream("GET", f"http://{gateway.address}{STREAM}{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield answer.aiter_lines()


async def event(lines: AsyncIterator[str]) -> dict[str, Any]:
    """The next event, which says its id and kind twice: for the browser, and in its data."""
    told = dict[str, str]()
    async for line in lines:
        if not line:
            break
        name, _, value = line.partition(": ")
        told[name] = value
    data = dict[str, Any](json.loads(told["data"]))
    assert (told["id"], told["event"]) == (str(data["id"]), data["kind"])
    return data


async def test_a_stream_goes_on_where_the_browser_left_it(gateway: ListeningGateway) -> None:
    """By Last-Event-ID, or by `after` in the address, which counts where both are given."""
    await gateway.say(4)
    for asked, header, first in (("", "2", 3), ("&after=3", "0", 4)):
        query = await gateway.query(gateway.installation.ada) + asked
        async with streamed(gateway, query, **{"Last-Event-ID": header}) as lines:
            assert (await event(lines))["kind"] == "connected"
            assert (await event(lines))["id"] == first


async def test_a_stream_needs_a_ticket_and_no_other_credential_does(
    gateway: ListeningGateway,
) -> None:
    """401 in the form of every other route's."""
    ada = gateway.installation.ada
    query = await gateway.query(ada)
    async with streamed(gateway, query):
        pass
    for asked, key in (("", ""), ("", ada), (query, "")):
        answer = await gateway.http("GET", STREAM + asked, key)
        assert answer.status_code == 401
        assert answer.json()["code"] == "not_authenticated"


async def test_a_bad_ticket_order_is_refused(gateway: ListeningGateway) -> None:
    """The field is named; nobody gets a ticket without a credential."""
    path = "/api/v1/notices/tickets"
    for body, field in (({"topics": ["weather"]}, "topics.0"), ({"topic": ["runs"]}, "topic")):
        answer = await gateway.http("POST", path, gateway.installation.ada, json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field
    assert (await gateway.http("POST", path, json={})).status_code == 401
    text = {"content": b'{"topics": ["runs"]}', "headers": {"Content-Type": "text/plain"}}
    answer = await gateway.http("POST", path, gateway.installation.ada, **text)
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["fix"]


async def test_a_gateway_that_ends_waits_for_no_listener(lite: Installation) -> None:
    """Streams and sockets are ended at once; they come again elsewhere."""
    async with listening(lite) as gateway:
        async with streamed(gateway, await gateway.query(lite.ada)) as lines:
            await event(lines)
            async with gateway.listener(lite.ada) as line:
                gateway.server.should_exit = True
                assert [text async for text in lines] == []
                await asyncio.wait_for(line.wait_closed(), SOON_S)
                assert line.close_code == 1012
        assert gateway.services.metrics.notices.connections.total() == 0


async def test_what_is_sent_is_counted(gateway: ListeningGateway) -> None:
    """Connections by kind, notices sent, listeners lost."""
    admin = gateway.installation.admin
    async with streamed(gateway, await gateway.query(admin)) as lines, gateway.listener(admin):
        await gateway.say()
        assert [(await event(lines))["kind"] for _ in range(2)] == ["connected", "test"]
        text = (await gateway.http("GET", "/metrics", admin)).text
    assert 'modelyard_notice_connections{transport="stream"} 1.0' in text
    assert 'modelyard_notice_connections{transport="websocket"} 1.0' in text
    assert "modelyard_notice_listeners_lost_total 0.0" in text
    assert "modelyard_notices_sent_total" in text
