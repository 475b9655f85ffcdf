"""Whatever a gateway answers, the client makes typed facts or a sentence for people of it."""

import json
from collections.abc import Generator

import pytest

from modelyard.dashboard.client import GatewayClient, GatewayFault, GatewayUnreachable
from modelyard.registry.errors import NotAuthenticated, NotPermitted
from modelyard.registry.web.forwarded import HEADER, signed, verified
from tests.dashboard.odd_gateway import Answers, odd_gateway
from tests.dashboard.sample_data import DEVICE


@pytest.fixture
def odd() -> Generator[Answers]:
    with odd_gateway() as answers:
        yield answers


@pytest.fixture
def gateway(odd: Answers) -> Generator[GatewayClient]:
    gateway = GatewayClient.at(odd.url)
    gateway.http.timeout = 60
    yield gateway.using("my_key")
    gateway.http.close()


def test_the_credential_travels_in_a_header(odd: Answers, gateway: GatewayClient) -> None:
    """A key in an address would end up in logs; it is sent as a bearer header only."""
    odd.body = b'{"user_id": "1", "name": "ada", "role": "user"}'
    assert gateway.me().name == "ada"
    assert odd.seen["Authorization"] == "Bearer my_key"


def test_a_login_tells_whose_browser_it_is(odd: Answers, gateway: GatewayClient) -> None:
    """In the header that the gateway verifies; without an address there is none."""
    odd.body = b'{"access_token": "t", "expires_in": 1}'
    gateway.login("ada", "pass", signed("192.0.2.1", "t" * 16))
    assert verified(odd.seen[HEADER], "t" * 16) == "192.0.2.1"
    gateway.login("ada", "pass")
    assert odd.seen.get(HEADER) is None


def test_a_credential_is_never_part_of_a_text(gateway: GatewayClient) -> None:
    """What is printed or logged of a gateway does not hold the key."""
    assert "my_key" not in repr(gateway)


def test_what_a_card_does_not_tell_stays_unknown(odd: Answers, gateway: GatewayClient) -> None:
    """Null is unknown, not zero; fields that the pages do not know are let pass."""
    odd.body = json.dumps({"gpus": [{**DEVICE, "active_requests": 0, "new": 1}]}).encode()
    assert gateway.gpus()[0].temperature is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, NotAuthenticated), (403, NotPermitted), (429, GatewayFault), (500, GatewayFault)],
)
def test_a_refusal_says_what_the_gateway_said(
    odd: Answers, gateway: GatewayClient, status: int, kind: type[Exception]
) -> None:
    """The detail of a problem is the message, and its way out is kept."""
    odd.status = status
    odd.body = b'{"title": "No", "detail": "So it is.", "fix": "Do this."}'
    with pytest.raises(kind, match=r"^So it is\. Do this\.$"):
        gateway.runs()


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[]", b"\xff", b""])
def test_a_proxys_own_error_page_is_told_by_its_status(
    odd: Answers, gateway: GatewayClient, body: bytes
) -> None:
    """What is no problem document is not shown; the status is."""
    odd.status = 502
    odd.body = body
    with pytest.raises(GatewayFault, match="answered 502 Bad Gateway"):
        gateway.gpus()


@pytest.mark.parametrize("body", [b"<html>", b'{"gpus": 3}', b"{}"])
def test_another_servers_answer_is_refused(
    odd: Answers, gateway: GatewayClient, body: bytes
) -> None:
    """A 200 that is not what the API promises names the path, and is never half believed."""
    odd.body = body
    with pytest.raises(GatewayFault, match="/api/v1/gpus did not answer as expected"):
        gateway.gpus()


def test_a_gateway_that_is_away_is_named(odd: Answers) -> None:
    """Nobody at the address: the message says which address, and what starts a gateway."""
    gateway = GatewayClient.at("http://127.0.0.1:9")
    with pytest.raises(GatewayUnreachable, match=r"127\.0\.0\.1:9` does not answer.*modelyard up"):
        gateway.me()
    gateway.http.close()


def test_a_slow_gateway_does_not_hold_the_page(odd: Answers, gateway: GatewayClient) -> None:
    """Longer than the timeout is as good as away; the page asks again later."""
    odd.delay_s = 2.0
    gateway.http.timeout = 0.1
    with pytest.raises(GatewayUnreachable, match="in time"):
        gateway.me()


def test_proxies_of_the_environment_are_not_asked(
    odd: Answers, gateway: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's address is asked directly, whatever proxy the machine uses for the world."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    odd.body = b'{"runs": []}'
    again = GatewayClient.at(odd.url)
    assert again.runs() == []
    again.http.close()
