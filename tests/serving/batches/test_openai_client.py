"""OpenAI's unmodified client hands batches in, follows them and reads what came of them."""

import pytest

from tests.serving.batches.served import answers, begun, client_of, lines, until
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio


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
