"""One streamed chat answer over HTTP, piece by piece."""

import json
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from modelyard.serving.cli.connection import GatewayConnection, GatewayRefused, check

if TYPE_CHECKING:
    import httpx2


def stream(connection: GatewayConnection, body: Mapping[str, Any]) -> Generator[str]:
    """The answer's text as it arrives; closing the generator ends the work on the server."""
    with (
        connection.client() as client,
        client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response,
    ):
        if not response.is_success:
            response.read()
            check(response)
        yield from _pieces(response)


def _pieces(response: "httpx2.Response") -> Generator[str]:
    for line in response.iter_lines():
        data = line.removeprefix("data: ")
        if data in (line, "[DONE]"):
            continue
        event: dict[str, Any] = json.loads(data)
        if "error" in event:
            raise GatewayRefused(str(event["error"].get("message", "The answer broke off.")))
        for choice in event.get("choices", []):
            yield choice.get("delta", {}).get("content") or ""
