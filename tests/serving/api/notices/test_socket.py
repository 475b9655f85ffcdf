"""Listeners on a WebSocket get what they may read, in order, whoever published it."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.notices.notice import NoticeDraft, Topic
from tests.serving.api.notices.listening_gateway import (
    SOON_S,
    ListeningGateway,
    all_until,
    heard,
    listening,
    opened,
)
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

CLOSED_AS_LAGGING = (4408).to_bytes(2, "big") + b"lagging"
"""How the last frame ends."""


async def _refused(gateway: ListeningGateway, query: str, **more: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        await gateway.connect(query, **more)
    response = refused.value.response
    return response.status_code, (response.body or b"").decode()


async def _end(line: ClientConnection) -> int | None:
    """The code with which the gateway closes."""
    await asyncio.wait_for(line.wait_closed(), SOON_S)
    return line.close_code


async def test_a_listener_gets_what_comes_and_is_told_where_it_is(
    gateway: ListeningGateway,
) -> None:
    """First the id to come again with, then each notice as JSON."""
    await gateway.say(3)
    async with gateway.listener(gateway.installation.ada) as line:
        hello = await heard(line)
        assert (hello["kind"], hello["id"], hello["topic"]) == ("connected", 3, "")
        await gateway.say()
        notice = await heard(line)
        del notice["time"]
        assert notice == {"id": 4, "topic": "devices", "kind": "test", "data": {"n": 0}}


async def test_a_listener_comes_again_without_a_gap(gateway: ListeningGateway) -> None:
    """What was published meanwhile comes first, each once, then what comes."""
    await gateway.say(700)
    async with gateway.listener(gateway.installation.ada, after=2) as line:
        assert (await heard(line))["id"] == 2
        await gateway.say(5)
        assert [(await heard(line))["id"] for _ in range(703)] == [*range(3, 706)]


async def test_who_was_away_for_too_long_is_told_so(gateway: ListeningGateway) -> None:
    """And gets what is kept; so is one with an id that nobody has given out."""
    await gateway.say(9)
    gateway.book.prune(kept=2)
    async with gateway.listener(gateway.installation.ada, after=3) as line:
        told = await heard(line)
        assert (told["kind"], told["id"]) == ("lagging", 7)
        assert [(await heard(line))["id"] for _ in range(2)] == [8, 9]
    async with gateway.listener(gateway.installation.ada, after=2**63 - 1) as line:
        told = await heard(line)
        assert (told["kind"], told["id"]) == ("lagging", 9)
        await gateway.say()
        assert (await heard(line))["id"] == 10


async def test_a_listener_gets_its_topics_and_what_it_may_read(gateway: ListeningGateway) -> None:
    """Live and from the table alike."""
    ada = gateway.installation.identity.authenticate_key(gateway.installation.ada).user_id
    private: dict[str, Any] = {"visibility": Visibility.PRIVATE}

    async def say_all() -> None:
        await gateway.say(topic=Topic.DEVICES)
        await gateway.say(topic=Topic.RUNS, **private)
        await gateway.say(topic=Topic.RUNS, **private, owner_id=ada)
        await gateway.say(topic=Topic.ALERTS)

    expected = {gateway.installation.ada: [3, 4, 7, 8], gateway.installation.admin: [2, 3, 4, 6]}
    await say_all()
    for key, ids in expected.items():
        async with gateway.listener(key, topics="runs,alerts", after=0) as line:
            await heard(line)
            first = [(await heard(line))["id"] for _ in ids[:2]]
            await say_all()
            found = first + [(await heard(line))["id"] for _ in ids[2:]]
        assert found[: len(ids)] == ids


async def test_a_ticket_is_needed_and_good_once(gateway: ListeningGateway) -> None:
    """Without one, with a used one and with a key instead: 401, and what to do."""
    query = await gateway.query(gateway.installation.ada)
    async with gateway.connect(query):
        pass
    for bad in (query, "", "?ticket=", "?ticket=" + "x" * 200, "?ticket=%00"):
        status, body = await _refused(gateway, bad)
        assert status == 401
        assert "/api/v1/notices/tickets" in body
    header = {"Authorization": f"Bearer {gateway.installation.ada}"}
    assert (await _refused(gateway, "", additional_headers=header))[0] == 401


async def test_a_wrong_address_costs_no_ticket(gateway: ListeningGateway) -> None:
    """What is wrong is named; the same ticket is good for the right address."""
    query = await gateway.query(gateway.installation.ada)
    for bad, said in {
        "&topics=weather": "weather",
        "&after=-1": "after",
        "&after=1.5": "after",
        "&after=" + "9" * 19: "after",
        "&after=²": "after",
    }.items():
        status, body = await _refused(gateway, query + bad)
        assert (status, said in body) == (400, True), bad
    async with gateway.connect(query):
        pass
    narrow = await gateway.ticket(gateway.installation.ada, "runs")
    assert (await _refused(gateway, f"?ticket={narrow}&topics=alerts"))[0] == 403


async def test_a_foreign_page_opens_no_socket(gateway: ListeningGateway) -> None:
    """Its own page and listed ones do; a program has no origin."""
    ada = gateway.installation.ada
    status, body = await _refused(
        gateway, await gateway.query(ada), origin=Origin("https://evil.example")
    )
    assert (status, "MODELYARD_CORS_ORIGINS" in body) == (403, True)
    own = Origin(f"http://{gateway.address}")
    async with gateway.connect(await gateway.query(ada), origin=own):
        pass


async def test_a_user_has_so_many_connections_at_most(lite: Installation) -> None:
    """One more is refused by name; others, and the user once one is closed, come in."""
    async with (
        listening(lite, notice_connections=2) as gateway,
        gateway.listener(lite.ada) as one,
        gateway.listener(lite.ada),
    ):
        status, body = await _refused(gateway, await gateway.query(lite.ada))
        assert (status, "MODELYARD_NOTICE_CONNECTIONS" in body) == (429, True)
        async with gateway.listener(lite.admin):
            await one.close()
        async with asyncio.timeout(SOON_S):
            while gateway.services.metrics.notices.connections["websocket"] > 1:
                await asyncio.sleep(0.01)
        async with gateway.listener(lite.ada):
            pass


@pytest.mark.parametrize("how", ["revoked", "disabled"])
async def test_a_connection_ends_with_its_credential(gateway: ListeningGateway, how: str) -> None:
    """Within seconds; another's goes on."""
    identity = gateway.installation.identity
    ada = gateway.installation.ada
    async with gateway.listener(ada) as line, gateway.listener(gateway.installation.admin) as other:
        await heard(other)
        if how == "revoked":
            identity.revoke_key(ada[:11])
        else:
            identity.set_disabled("ada", disabled=True)
        assert await _end(line) == 4401
        await gateway.say()
        assert (await heard(other))["kind"] == "test"


async def test_who_does_not_read_loses_its_place_and_hurts_nobody(lite: Installation) -> None:
    """The other gets all; the slow one is told once it reads, with the id to come again with."""
    big = {"text": "x" * 60_000}
    async with listening(lite, notice_backlog=8) as gateway:
        stats = gateway.services.metrics.notices
        with await asyncio.to_thread(opened, gateway, await gateway.query(lite.ada)) as stuck:
            async with gateway.listener(lite.ada) as line:
                await heard(line)
                for _ in range(1000):
                    await asyncio.to_thread(gateway.book.add, [NoticeDraft(Topic.RUNS, "t", big)])
                    assert (await heard(line))["data"] == big
                    if stats.lost:
                        break
            got = await asyncio.to_thread(all_until, stuck, CLOSED_AS_LAGGING)
        assert stats.lost == 1
    assert b'"kind":"lagging"' in got[-500:]
    assert got.endswith((4408).to_bytes(2, "big") + b"lagging")
