"""Jobs in a gateway that dispatches: they run as their user's requests would."""

import asyncio
import json

import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.jobs.job import JobStatus
from tests.serving.installation import Installation
from tests.serving.jobs.queued import Queued

pytestmark = pytest.mark.anyio


async def test_a_job_is_answered_as_its_user_s_request_would_be(
    installation: Installation,
) -> None:
    """Its result is the engine's whole answer; it says where it ran, and is booked once."""
    version = installation.filled.add("talker")
    queued = Queued(installation)
    with installation.engine(version):
        async with installation.opened(installation.ada) as (client, _):
            body = {"model": "talker", "messages": [{"role": "user", "content": "Say"}]}
            live = (await client.post("/v1/chat/completions", json=body | {"max_tokens": 5})).json()
            job_id = queued.add("talker", max_tokens=5)
            (job,) = await queued.ended(job_id)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    result = json.loads(queued.book.result(job_id) or b"")
    for one in (live, result):
        del one["id"], one["created"]
    assert result == live
    assert (job.device_id, job.version) == ("cpu-0", version.ref)
    assert job.output_tokens == live["usage"]["completion_tokens"]
    with installation.database.read() as session:
        mine = select(UsageRow).where(UsageRow.request_id == job_id)
        assert [row.user_id for row in session.scalars(mine)] == [job.user_id]


async def test_many_jobs_fill_the_engine_and_all_end(installation: Installation) -> None:
    """Several of one model are in hand at once."""
    version = installation.filled.add("talker", delay_s=0.01)
    queued = Queued(installation)
    ids = [queued.add("talker", max_tokens=5, priority=1 + n % 3) for n in range(40)]
    with installation.engine(version):
        async with installation.opened(installation.ada) as (_, services):
            jobs = await queued.ended(*ids)
    assert services.metrics.jobs.ended["completed"] == 40
    assert {job.status for job in jobs} == {JobStatus.COMPLETED}
    assert {job.attempts for job in jobs} == {1}


async def test_what_the_engine_refuses_fails_with_its_words(lite: Installation) -> None:
    """A wrong parameter, an unknown model: no other try would change it."""
    version = lite.filled.add("talker")
    queued = Queued(lite)
    with lite.engine(version):
        async with lite.opened(lite.ada):
            wrong, nobody = await queued.ended(
                queued.add("talker", temperature=7), queued.add("nobody")
            )
    assert (wrong.status, wrong.error_code, wrong.result_status) == (
        JobStatus.FAILED,
        "invalid_value",
        400,
    )
    assert "temperature" in str(wrong.error)
    assert (nobody.status, nobody.error_code) == (JobStatus.FAILED, "model_not_found")
    assert nobody.attempts == 1


async def test_a_disabled_user_s_jobs_fail(lite: Installation) -> None:
    """Nothing is done in the name of one who may not come in."""
    version = lite.filled.add("talker")
    queued = Queued(lite)
    job_id = queued.add("talker")
    lite.identity.set_disabled("ada", True)  # noqa: FBT003  its name says it
    with lite.engine(version):
        async with lite.opened(lite.admin):
            (job,) = await queued.ended(job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "user_disabled")


async def test_where_others_dispatch_jobs_wait(lite: Installation) -> None:
    """With MODELYARD_DISPATCH=apart the gateway takes none."""
    version = lite.filled.add("talker")
    queued = Queued(lite)
    job_id = queued.add("talker")
    with lite.engine(version):
        async with lite.opened(lite.ada, dispatch="apart") as (client, services):
            assert services.jobs.dispatcher is None
            for _ in range(3):
                await client.get("/health/ready")
                await asyncio.sleep(0.1)
    assert queued.book.get(job_id).attempts == 0
