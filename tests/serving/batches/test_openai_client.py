"""OpenAI's unmodified client hands batches in, follows them and reads what came of them."""

import httpx2
import pytest
from openai import APIStatusError, BadRequestError, ConflictError, NotFoundError

from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobEnd, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from tests.serving.batches.served import CHAT, answers, begun, client_of, line, lines, until
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

DONE = JobEnd(status=JobStatus.COMPLETED, result=b'{"a": 1}', result_status=200)
REFUSED = JobEnd(
    status=JobStatus.FAILED, result=b"{}", result_status=400, error_code="no", error="No."
)
WAYS = {
    "files": [("GET", ""), ("GET", "/content"), ("DELETE", "")],
    "batch": [("GET", ""), ("POST", "/cancel")],
}


def end(queue: JobQueue, *ends: JobEnd) -> None:
    """Do the work of a dispatcher for the next jobs."""
    claims = queue.claim("tests/boot", ClaimRequest(models={"talker": len(ends)}))
    for claim, one in zip(claims, ends, strict=True):
        assert queue.finish(claim, one)


async def test_a_batch_goes_from_its_file_to_its_answers(installation: Installation) -> None:
    """Each line is answered under its own id; counts and files are true at the end."""
    version = installation.filled.add("talker")
    async with client_of(installation) as client:
        with installation.engine(version):
            batch = await begun(client, lines(5) + b"\n")
            assert (batch.status, batch.object) == ("validating", "batch")
            done = await until(client, batch)
            assert done.status == "completed", done
            assert done.request_counts is not None
            counts = done.request_counts
            assert (counts.total, counts.completed, counts.failed) == (5, 5, 0)
            assert done.error_file_id is None
            told = await answers(client, done.output_file_id)
            assert set(told) == {f"line-{number}" for number in range(1, 6)}
            for one in told.values():
                assert one["id"].startswith("batch_req_")
                assert one["error"] is None
                assert one["response"]["status_code"] == 200
                assert one["response"]["body"]["choices"][0]["message"]["content"]
            (listed,) = (await client.batches.list()).data
            assert listed == done
            assert done.output_file_id is not None
            file = await client.files.retrieve(done.output_file_id)
            content = await client.files.content(done.output_file_id)
            assert (file.purpose, file.bytes) == ("batch_output", len(content.content))


async def test_a_batch_is_read_while_it_runs_and_cancelled(installation: Installation) -> None:
    """Counts and files are true at each moment; what was done when it was cancelled is kept."""
    installation.filled.add("talker")
    queue = JobQueue(installation.database)
    async with client_of(installation) as client:  # without a worker nothing of it is sent
        batch = await begun(client, lines(4))
        running = await until(client, batch, {"in_progress"})
        assert (running.output_file_id, running.error_file_id) == (None, None)
        end(queue, DONE, REFUSED)
        running = await client.batches.retrieve(batch.id)
        assert running.request_counts is not None
        assert (running.request_counts.completed, running.request_counts.failed) == (1, 1)
        (one,) = (await answers(client, running.output_file_id)).values()
        assert one["response"]["body"] == {"a": 1}
        (other,) = (await answers(client, running.error_file_id)).values()
        assert other["response"]["status_code"] == 400
        assert running.output_file_id is not None
        so_far = await client.files.retrieve(running.output_file_id)
        read = await client.files.content(running.output_file_id)
        assert so_far.bytes == len(read.content)
        with pytest.raises(ConflictError):
            await client.files.delete(batch.input_file_id)
        assert (await client.batches.cancel(batch.id)).status in {"cancelling", "cancelled"}
        ended = await until(client, batch)
        assert ended.status == "cancelled"
        assert await answers(client, ended.output_file_id) == {one["custom_id"]: one}
        errors = await answers(client, ended.error_file_id)
        codes = sorted((line["error"] or {"code": "refused"})["code"] for line in errors.values())
        assert codes == ["batch_cancelled", "batch_cancelled", "refused"]
        assert (await client.files.delete(batch.input_file_id)).deleted
        with pytest.raises(ConflictError):
            await client.batches.cancel(batch.id)


async def test_an_expired_batch_keeps_what_was_done(installation: Installation) -> None:
    """What was not done within the window says so in the file of errors."""
    installation.filled.add("talker")
    async with client_of(installation) as client:
        batch = await begun(client, lines(3))
        await until(client, batch, {"in_progress"})
        end(JobQueue(installation.database), DONE)
        with installation.database.begin() as session:
            session.connection().exec_driver_sql("UPDATE jobs SET deadline = submitted_at")
        expired = await until(client, batch)
        assert (expired.status, expired.expired_at is not None) == ("expired", True)
        assert len(await answers(client, expired.output_file_id)) == 1
        errors = (await answers(client, expired.error_file_id)).values()
        assert [line["error"]["code"] for line in errors] == ["batch_expired"] * 2


async def test_what_engines_refuse_is_told_in_the_file_of_errors(
    installation: Installation,
) -> None:
    """A batch of which all failed is completed, as OpenAI's is, and says of what."""
    version = installation.filled.add("talker")
    async with client_of(installation) as client:
        with installation.engine(version):
            long = line("long", messages=[{"role": "user", "content": "a " * 2000}])
            ended = await until(client, await begun(client, long))
        assert (ended.status, ended.output_file_id) == ("completed", None)
        assert ended.request_counts is not None
        assert (ended.request_counts.total, ended.request_counts.failed) == (1, 1)
        (told,) = (await answers(client, ended.error_file_id)).values()
        assert told["response"]["status_code"] == 400
        assert told["response"]["body"]["error"]["code"] == "context_length_exceeded"
        assert ended.errors is not None
        assert ended.errors.data is not None
        assert ended.errors.data[0].code == "context_length_exceeded"


async def test_a_wrong_file_fails_its_batch(installation: Installation) -> None:
    """None of it is handed in; each error names its line, and what no file has, the batch."""
    installation.filled.add("talker")
    installation.private("admin/secret", installation.admin)
    wrong = lines(2) + b"{\n" + line("line-1") + line("x", temperature=9)
    async with client_of(installation) as client:
        failed = await until(client, await begun(client, wrong))
        assert (failed.status, failed.errors is not None) == ("failed", True)
        assert failed.errors is not None
        assert failed.errors.data is not None
        assert [(e.line, e.code, e.param) for e in failed.errors.data] == [
            (3, "invalid_json_line", None),
            (4, "duplicate_custom_id", "custom_id"),
            (5, "invalid_value", "body.temperature"),
        ]
        told = set()
        for model in ("admin/secret", "admin/nobody"):
            failed = await until(client, await begun(client, line("a", model)))
            assert failed.errors is not None
            assert failed.errors.data is not None
            (error,) = failed.errors.data
            told.add((error.code, (error.message or "").replace(model, "it")))
        assert [code for code, _ in told] == ["model_not_found"]
        failed = await until(client, await begun(client, lines(1), "/v1/embeddings"))
        assert failed.errors is not None
        assert failed.errors.data is not None
        assert failed.errors.data[0].code == "mismatched_endpoint"
        for refused in (
            {"endpoint": "/v1/nothing"},
            {"completion_window": "1h"},
            {"metadata": {str(n): "a" for n in range(17)}},
            {"metadata": {"a" * 65: "a"}},
        ):
            asked = {"input_file_id": "f", "endpoint": CHAT, "completion_window": "24h"} | refused
            with pytest.raises(BadRequestError, match=next(iter(refused))):
                await client.batches.create(**asked)  # type: ignore[arg-type]
        with pytest.raises(NotFoundError):
            await client.batches.create(
                input_file_id="file-none", endpoint=CHAT, completion_window="24h"
            )
    assert JobBook(installation.database).counts(JobFilter()) == {}


async def test_files_and_batches_of_others_are_not_there(installation: Installation) -> None:
    """Byte for byte, whatever is asked of them."""
    installation.filled.add("talker")
    async with client_of(installation) as client:
        batch = await begun(client, lines(2))
        running = await until(client, batch, {"in_progress"})
        end(JobQueue(installation.database), DONE)
        output = (await client.batches.retrieve(batch.id)).output_file_id
        told = {"Authorization": f"Bearer {installation.admin}"}
        base = str(client.base_url)
        async with httpx2.AsyncClient(base_url=base, headers=told, trust_env=False) as other:
            for path, none in ((f"files/{running.input_file_id}", "files/file-none"),
                               (f"files/{output}", "files/file-none"),
                               (f"batches/{batch.id}", "batches/batch_none")):  # fmt: skip
                for method, rest in WAYS[path[:5]]:
                    mine = await other.request(method, path + rest)
                    absent = await other.request(method, none + rest)
                    assert mine.status_code == absent.status_code == 404, (method, path, rest)
                    assert mine.text.replace(path.partition("/")[2], "it") == absent.text.replace(
                        none.partition("/")[2], "it"
                    )
            for path in ("files", "batches"):
                assert (await other.get(path)).json()["data"] == []
                after = await other.get(path, params={"after": running.input_file_id})
                assert after.status_code == 404
            asked = {
                "input_file_id": running.input_file_id,
                "endpoint": CHAT,
                "completion_window": "24h",
            }
            assert (await other.post("batches", json=asked)).status_code == 404


@pytest.mark.slow(seconds=5)
async def test_a_client_that_uploads_too_much_is_told_so(installation: Installation) -> None:
    """Though it sends all of it before it listens: the connection is not cut before the answer."""
    async with client_of(installation, dispatch="off") as client:
        with pytest.raises(APIStatusError) as refused:
            await client.files.create(file=("large", b"a" * 201_000_000), purpose="batch")
    assert refused.value.status_code == 413
