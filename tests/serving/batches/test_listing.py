"""GET /api/v1/batches shows each its own batches, and admins everybody's."""

from datetime import timedelta
from typing import Any

import pytest

from modelyard.registry.batches.batch import JobBatch
from modelyard.registry.batches.entering import Batches
from modelyard.registry.database import utc_now
from tests.registry.batches.made import BatchStage
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

PATH = "/api/v1/batches"
COUNTS = {"total": 3, "completed": 0, "failed": 0, "cancelled": 0}


def user_of(installation: Installation, key: str) -> str:
    return installation.identity.authenticate_key(key).user_id


@pytest.fixture
def made(installation: Installation) -> list[JobBatch]:
    """Four batches, the latest first: the admin's, and three of ada's, two from the same moment.

    One of ada's is of our own API, and the admin has handed it in.
    """
    stage = BatchStage(installation.database)
    ada = user_of(installation, installation.ada)
    admin = user_of(installation, installation.admin)
    at = utc_now()
    earlier = at - timedelta(minutes=1)
    first = stage.begun(3, ada, created_at=earlier)
    own = stage.new(ada, id="b" * 36, asked_by=admin, created_at=earlier)
    Batches(stage.db).submit(own, 0, lambda _: None)
    return [
        stage.created(admin, created_at=at),
        *sorted([first, stage.book.get(own.id, ada)], key=lambda each: each.id, reverse=True),
        stage.created(ada, created_at=at - timedelta(minutes=2)),
    ]


async def pages(client: Any, **asked: Any) -> list[dict[str, Any]]:
    """All batches over pages of one."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await client.get(PATH, params={"limit": 1, "cursor": cursor, **asked})
        assert answer.status_code == 200, answer.text
        found += answer.json()["batches"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_each_sees_its_own_and_an_admin_all(
    installation: Installation, made: list[JobBatch]
) -> None:
    """Page by page, each once, the latest first; with the counts of this moment."""
    ada = user_of(installation, installation.ada)
    async with installation.client(installation.ada, dispatch="off") as client:
        own = await pages(client)
        assert await pages(client, user_id=ada) == own
        client.headers["Authorization"] = f"Bearer {installation.admin}"
        everybody = await pages(client)
        assert await pages(client, user_id=ada) == own
        assert await pages(client, user_id="nobody") == []
    assert [each["batch_id"] for each in everybody] == [batch.id for batch in made]
    assert own == [each for each in everybody if each["user_id"] == ada]
    begun = next(each for each in own if each["counts"]["total"])
    assert (begun["counts"], begun["status"], begun["model_id"]) == (
        COUNTS,
        "in_progress",
        "talker",
    )
    assert {each["input_file_id"] is None for each in own} == {True, False}


async def test_others_batches_are_for_admins(
    installation: Installation, made: list[JobBatch]
) -> None:
    """A user that there is not is refused alike; a cursor that was never given is 400."""
    async with installation.client(installation.ada, dispatch="off") as client:
        told = []
        for user_id in (made[0].user_id, "nobody"):
            refused = await client.get(PATH, params={"user_id": user_id})
            told.append((refused.status_code, refused.text.replace(user_id, "")))
        assert told[0] == told[1]
        assert told[0][0] == 403
        assert (await client.get(PATH, params={"cursor": "7"})).status_code == 400
