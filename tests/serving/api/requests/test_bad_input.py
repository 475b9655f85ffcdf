"""Every field of a submission out of range, of the wrong type or unknown is refused by its name."""

import json
from typing import Any

import pytest

from modelyard.registry.identity.caller import Role
from modelyard.registry.jobs.book import JobBook, JobFilter
from tests.serving.api.requests.conftest import asking, id_of
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

ROUTE = "/api/v1/route"
WEEK_MS = 7 * 24 * 3_600_000
NOBODY = "00000000-0000-4000-8000-000000000000"

WRONG: list[tuple[str, Any, str]] = [
    ("request_id", "not a uuid", "request_id"),
    ("request_id", 7, "request_id"),
    ("user_id", "", "user_id"),
    ("user_id", 7, "user_id"),
    ("user_id", "x" * 37, "user_id"),
    ("model_id", "", "model_id"),
    ("model_id", ["talker"], "model_id"),
    ("model_id", "x" * 201, "model_id"),
    ("model_id", "nothing/here", "nothing/here"),
    ("model_id", "talker@9", "talker@9"),
    ("model_id", "talker@@", "talker@@"),
    ("priority", 0, "priority"),
    ("priority", 6, "priority"),
    ("priority", "3", "priority"),
    ("priority", 2.5, "priority"),
    ("priority", True, "priority"),
    ("type", "poetry", "type"),
    ("type", 1, "type"),
    ("type", "embedding", "messages"),
    ("type", "rerank", "messages"),
    ("type", "classify", "messages"),
    ("resource_requirements", 5, "resource_requirements"),
    ("resource_requirements", {"memory": 0}, "resource_requirements.memory"),
    ("resource_requirements", {"memory": "5"}, "resource_requirements.memory"),
    ("resource_requirements", {"memory": 10**9}, "resource_requirements.memory"),
    ("resource_requirements", {"compute_units": -1}, "resource_requirements.compute_units"),
    ("resource_requirements", {"max_batch_size": 0}, "resource_requirements.max_batch_size"),
    ("resource_requirements", {"expected_duration": 0}, "resource_requirements.expected_duration"),
    ("resource_requirements", {"colour": 1}, "resource_requirements.colour"),
    ("timeout", 0, "timeout"),
    ("timeout", -1, "timeout"),
    ("timeout", WEEK_MS + 1, "timeout"),
    ("timeout", "30000", "timeout"),
    ("timeout", 1.5, "timeout"),
    ("callback_url", "", "callback_url"),
    ("callback_url", 7, "callback_url"),
    ("callback_url", "https://example.com/" + "x" * 2048, "callback_url"),
    ("callback_url", "ftp://example.com/done", "callback_url"),
    ("callback_url", "http://example.com/done", "callback_url"),
    ("callback_url", "https://127.0.0.1/done", "callback_url"),
    ("callback_url", "https://10.0.0.1/done", "callback_url"),
    ("callback_url", "https://169.254.169.254/", "callback_url"),
    ("callback_url", "https://[::1]/", "callback_url"),
    ("callback_url", "https://localhost/", "callback_url"),
    ("callback_url", "https://user:word@example.com/", "callback_url"),
    ("payload", "words", "payload"),
    ("payload", {}, "payload"),
    ("payload", {"messages": [], "prompt": "a"}, "payload"),
    ("payload", {"messages": []}, "messages"),
    ("payload", {"messages": "hello"}, "messages"),
    ("payload", {"prompt": "a", "max_tokens": 0}, "max_tokens"),
    ("payload", {"prompt": "a", "temperature": 9}, "temperature"),
    ("payload", {"prompt": "a", "colour": "red"}, "colour"),
    ("payload", {"prompt": "a", "stream": True}, "payload.stream"),
    ("payload", {"prompt": "a", "stream": "yes"}, "payload.stream"),
    ("payload", {"prompt": "a", "model": "another"}, "payload.model"),
    ("colour", "red", "colour"),
]


async def test_each_wrong_field_is_named(installation: Installation) -> None:
    """It is a 400 with the field in it, and nothing is queued."""
    installation.filled.add("talker")
    installation.worker()
    user_id = id_of(installation, installation.ada)
    let_through = []
    async with installation.client(installation.ada, dispatch="off") as client:
        for field, value, named in WRONG:
            answer = await client.post(ROUTE, json=asking(user_id) | {field: value})
            if answer.status_code != 400 or named not in answer.json()["detail"]:
                let_through.append((field, value, answer.status_code, answer.text))
        for field in ("user_id", "model_id", "type", "payload"):
            asked = asking(user_id)
            del asked[field]
            answer = await client.post(ROUTE, json=asked)
            if answer.status_code != 400 or field not in answer.json()["detail"]:
                let_through.append((field, None, answer.status_code, answer.text))
    assert let_through == []
    assert JobBook(installation.database).counts(JobFilter()) == {}


async def test_more_inputs_than_asked_for_are_refused(lite: Installation) -> None:
    """`max_batch_size` is the submitter's own bound."""
    lite.filled.add("talker")
    lite.worker()
    bound = {"resource_requirements": {"max_batch_size": 2}}
    user_id = id_of(lite, lite.ada)
    async with lite.client(lite.ada, dispatch="off") as client:
        for prompts, status in ((["a", "b"], 200), (["a", "b", "c"], 400)):
            asked = asking(user_id, payload={"prompt": prompts}, **bound)
            answer = await client.post(ROUTE, json=asked)
            assert answer.status_code == status, answer.text
    assert "max_batch_size" in answer.json()["detail"]


async def test_what_is_no_json_object_is_refused(lite: Installation) -> None:
    """As is what is too deep, holds no number, or is too long."""
    lite.filled.add("talker")
    lite.worker()
    asked = json.dumps(asking(id_of(lite, lite.ada)))
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    bodies = {
        "": 400,
        "[]": 400,
        '"words"': 400,
        "{": 400,
        asked.replace('"Hello"', "NaN"): 400,
        asked.replace('"Hello"', "1e999"): 400,
        asked.replace('"max_tokens": 4', f'"max_tokens": 4, "metadata": {deep}'): 400,
        asked.replace('"Hello"', '"\\ud800"'): 400,
        "x" * (8 * 1024 * 1024 + 1): 413,
    }
    async with lite.client(lite.ada, dispatch="off") as client:
        got = {b[:80]: (await client.post(ROUTE, content=b)).status_code for b in bodies}
    assert got == {body[:80]: status for body, status in bodies.items()}


async def test_who_may_ask_in_whose_name(installation: Installation) -> None:
    """A user for itself; an admin for anybody; a service account for users, but for no admin."""
    installation.filled.add("talker")
    installation.worker()
    installation.identity.create_user("agent", Role.SERVICE)
    installation.identity.create_user("gone", Role.USER)
    service = installation.identity.create_key("agent", "test")
    gone = id_of(installation, installation.identity.create_key("gone", "test"))
    installation.identity.set_disabled("gone", disabled=True)
    ada = id_of(installation, installation.ada)
    admin = id_of(installation, installation.admin)
    keys = {"ada": installation.ada, "admin": installation.admin, "agent": service}
    got = dict[tuple[str, str], int]()
    async with installation.client(dispatch="off") as client:
        for who, key in keys.items():
            for whose, user_id in {
                "ada": ada,
                "admin": admin,
                "gone": gone,
                "nobody": NOBODY,
            }.items():
                headers = {"Authorization": f"Bearer {key}"}
                answer = await client.post(ROUTE, json=asking(user_id), headers=headers)
                got[who, whose] = answer.status_code
        assert (await client.post(ROUTE, json=asking(ada))).status_code == 401
    assert got == {
        ("ada", "ada"): 200,
        ("ada", "admin"): 403,
        ("ada", "gone"): 403,
        ("ada", "nobody"): 403,
        ("admin", "ada"): 200,
        ("admin", "admin"): 200,
        ("admin", "gone"): 400,
        ("admin", "nobody"): 400,
        ("agent", "ada"): 200,
        ("agent", "admin"): 403,
        ("agent", "gone"): 400,
        ("agent", "nobody"): 400,
    }


async def test_a_private_model_of_another_reads_as_unknown(lite: Installation) -> None:
    """Word for word, so that nobody learns of its name."""
    lite.private("admin/secret", lite.admin)
    user_id = id_of(lite, lite.ada)
    async with lite.client(lite.ada, dispatch="off") as client:
        answers = [
            await client.post(ROUTE, json=asking(user_id, model_id=name))
            for name in ("admin/secret", "admin/nothing")
        ]
    said = [a.text.replace("secret", "it").replace("nothing", "it") for a in answers]
    assert said[0] == said[1]
    assert [a.status_code for a in answers] == [400, 400]
    assert answers[0].json()["code"] == "model_not_found"
