"""No value of a parameter makes a 500, on either kind of database."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.serving.api.inference.endpoint import PATHS
from tests.serving.api.test_tenant_matrix import handed_in
from tests.serving.extremes import IN_JSON, IN_TEXT
from tests.serving.installation import Installation, running

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
KNOWN = {
    "gpu_id": "cpu-0",
    "model": "talker",
    "name": "ada",
    "password": "correct horse battery",
    "model_id": "talker",
    "type": "inference",
    "endpoint": CHAT,
    "completion_window": "24h",
}
"""What makes a request reach as far as it can while another of its parameters is tried."""

WORK = '{"model_id": "talker", "type": "inference", "payload": {"prompt": "a"}}'
USUAL = {"on": "true", "payload": '{"prompt": "a"}', "requests": f"[{WORK}]"}
"""The same in JSON, of fields that are no text."""

Schema = dict[str, Any]


def operations(schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Every route with its method, but for those whose bodies are an engine's to read."""
    for path, methods in schema["paths"].items():
        if path not in PATHS:
            yield from ((method, path, operation) for method, operation in methods.items())


def parameters(operation: Schema, where: str) -> list[str]:
    return [p["name"] for p in operation.get("parameters", []) if p["in"] == where]


def fields(schema: Schema, operation: Schema) -> list[str]:
    """The fields of the body, where there is one."""
    try:
        shape = operation["requestBody"]["content"]["application/json"]["schema"]
    except KeyError:
        return []
    name = shape["$ref"].rpartition("/")[2]
    return list(schema["components"]["schemas"][name]["properties"])


def asked(path: str, known: dict[str, str], name: str = "", value: str = "") -> str:
    """The address with its parts filled in, one of them by what is tried."""
    for part, usual in known.items():
        filled = quote(value if part == name else usual, safe="", errors="surrogatepass")
        path = path.replace(f"{{{part}}}", filled)
    return path


def bodies(names: list[str], known: dict[str, str]) -> Iterator[str]:
    """Each field with each value, the others as they usually are."""
    usual = {name: json.dumps(known[name]) for name in names if name in known}
    usual |= {name: text for name, text in USUAL.items() if name in names}
    for name in names:
        for value in IN_JSON:
            given = usual | {name: value}
            yield "{" + ", ".join(f'"{key}": {text}' for key, text in given.items()) + "}"


def requests(schema: Schema, known: dict[str, str]) -> Iterator[httpx2.Request]:
    for method, path, operation in operations(schema):
        url = "http://gateway" + path
        usual = asked(url, known)
        for name in parameters(operation, "path"):
            yield from (httpx2.Request(method, asked(url, known, name, v)) for v in IN_TEXT)
        needed = "model=talker&" if "model" in parameters(operation, "query") else ""
        for name in parameters(operation, "query"):
            for value in IN_TEXT:
                text = quote(value, safe="", errors="surrogatepass")
                yield httpx2.Request(method, f"{usual}?{needed}{name}={text}")
        for body in bodies(fields(schema, operation), known):
            told = {"Content-Type": "application/json"}
            yield httpx2.Request(method, usual, content=body, headers=told)


async def test_no_parameter_breaks_a_route(installation: Installation) -> None:
    """Each parameter of each route, with each value: what it is not, it is told to the client."""
    installation.filled.add("talker")
    installation.worker()
    flows = FlowProcesses(installation.database)
    app = installation.app()
    user_id = installation.identity.authenticate_key(installation.ada).user_id
    broken = []
    mine = handed_in(
        installation, installation.identity.authenticate_key(installation.admin).user_id
    )
    ids = {part.strip("{}"): value for part, value in mine.items()} | {"user_id": user_id}
    count = 0
    async with running(app) as asgi:
        transport = httpx2.ASGITransport(asgi, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {installation.admin}"}
        async with httpx2.AsyncClient(transport=transport, headers=headers) as client:
            for request in requests(app.openapi(), KNOWN | ids | {"input_file_id": ids["file_id"]}):
                if count % 50 == 0:
                    flows.beat("flows")  # without one, orders are refused with 503
                request.headers.update(headers)
                answer = await client.send(request)
                count += 1
                if answer.status_code >= 500:
                    broken.append((request.method, str(request.url)[:120], request.content[:120]))
    assert broken == [], "\n".join(map(str, broken))
    assert count > 500


NUMBERED = (
    "2147483647",
    "2147483648",
    "9223372036854775808",
    "9" * 150,
    "0",
    "-1",
    "1_0",
    "\u0661",
)


async def test_nothing_in_a_request_to_a_model_breaks_the_hot_path(
    installation: Installation,
) -> None:
    """What the gateway itself reads of it: name with version and adapter, sizes, headers."""
    usual = {"model": '"talker"', "messages": '[{"role": "user", "content": "a"}]'}
    version = installation.filled.add("talker")
    app = installation.app()
    with installation.engine(version):
        async with running(app) as asgi:
            transport = httpx2.ASGITransport(asgi, raise_app_exceptions=False)
            told = {
                "Authorization": f"Bearer {installation.ada}",
                "Content-Type": "application/json",
            }
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://gateway", headers=told, timeout=60
            ) as client:
                for name in ("model", "max_tokens", "max_completion_tokens", "n", "stream"):
                    for value in IN_JSON:
                        given = {"max_tokens": "1"} | usual | {name: value}
                        text = ", ".join(f'"{key}": {part}' for key, part in given.items())
                        answer = await client.post(CHAT, content=f"{{{text}}}")
                        assert answer.status_code in {200, 400, 404}, text[:200]
                for priority in (b"99999999999999999999", b"-1", "\u0661".encode(), b"1e400", b"0"):
                    headers = [(b"X-Modelyard-Priority", priority)]
                    answer = await client.post(CHAT, json={"model": "talker"}, headers=headers)
                    assert answer.status_code == 400


async def test_a_number_that_no_version_has_is_told_so(installation: Installation) -> None:
    """Whatever its size; the database is not asked for one that it could not hold."""
    installation.filled.add("talker")
    async with installation.client(installation.ada) as client:
        for number in NUMBERED:
            asked = await client.post(CHAT, json={"model": f"talker@{number}", "messages": []})
            shown = await client.get(f"/v1/models/talker@{number}")
            assert {asked.status_code, shown.status_code} <= {400, 404}, number
        large = await client.post(CHAT, json={"model": "talker@99999999999999999999"})
    assert large.json()["error"]["code"] == "invalid_name"
    assert "2147483647" in large.json()["error"]["message"]
