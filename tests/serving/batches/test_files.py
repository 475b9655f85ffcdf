"""Files are taken a piece at a time, kept for whom they are, and refused with what is wrong."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from modelyard.registry.database import utc_now
from modelyard.registry.files.file_store import pin_of
from modelyard.registry.installation import open_store
from modelyard.serving.wire.openai.files import MOST_FILE_BYTES
from modelyard.serving.wire.openai.upload import MOST_FIELDS
from tests.serving.batches.served import lines
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

FILES = "/v1/files"
OFF = {"dispatch": "off"}
BATCH = {"purpose": "batch"}
FORM = "multipart/form-data; boundary=x"
HEAD = (
    b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
)


def file(content: bytes, name: str = "lines.jsonl") -> dict[str, tuple[str, bytes]]:
    return {"file": (name, content)}


async def uploaded(client: httpx2.AsyncClient, content: bytes, **fields: str) -> httpx2.Response:
    return await client.post(FILES, files=file(content), data=BATCH | fields)


def left_in(installation: Installation) -> list[Path]:
    """What lies in the store beside the models."""
    store = open_store(installation.settings)
    pinned = {owner for owner in store.pin_owners() if owner.startswith("file:")}
    assert [*(store.root / "scratch").iterdir()] == []
    return [store.path(sha) for owner in pinned for sha in store.pin_owners()[owner]]


async def test_a_file_is_kept_until_it_is_deleted(installation: Installation) -> None:
    """Its bytes come back as they were sent; two users' equal files are two."""
    content = lines(3)
    async with installation.client(installation.ada, **OFF) as client:
        first = (await uploaded(client, content)).json()
        assert first["bytes"] == len(content)
        assert (first["object"], first["purpose"]) == ("file", "batch")
        assert first["filename"] == "lines.jsonl"
        assert first["expires_at"] - first["created_at"] == 30 * 86_400
        twin = (await uploaded(client, content)).json()
        read = await client.get(f"{FILES}/{first['id']}/content")
        assert read.content == content
        listed = (await client.get(FILES, params={"limit": 1})).json()
        assert ([one["id"] for one in listed["data"]], listed["has_more"]) == ([twin["id"]], True)
        gone = await client.delete(f"{FILES}/{first['id']}")
        assert gone.json() == {"id": first["id"], "deleted": True, "object": "file"}
        assert (await client.get(f"{FILES}/{first['id']}")).status_code == 404
        assert (await client.get(f"{FILES}/{twin['id']}/content")).content == content
        assert len(left_in(installation)) == 1
        await client.delete(f"{FILES}/{twin['id']}")
    assert left_in(installation) == []


async def test_what_is_no_file_for_a_batch_is_refused(installation: Installation) -> None:
    """With the field and what it must be; nothing of it stays in the store."""
    cases = [
        ({"files": file(b"a"), "data": {}}, "'purpose' is missing"),
        ({"files": file(b"a"), "data": {"purpose": "fine-tune"}}, "must be 'batch'"),
        ({"files": file(b""), "data": BATCH}, "is empty"),
        ({"files": {"other": ("f", b"a")}, "data": BATCH}, "'file' is missing"),
        ({"files": [("file", ("f", b"a")), ("file", ("g", b"b"))], "data": BATCH}, "one file"),
        ({"json": BATCH}, "must be a form"),
        ({"content": b"", "headers": {"Content-Type": FORM}}, "broken or not whole"),
        ({"content": HEAD + b"a", "headers": {"Content-Type": FORM}}, "broken or not whole"),
        ({"content": b"--y\r\n", "headers": {"Content-Type": FORM}}, "broken or not whole"),
        (
            {"files": file(b"a"), "data": BATCH | {f"f{n}": "" for n in range(MOST_FIELDS)}},
            f"at most {MOST_FIELDS} fields",
        ),
        ({"files": file(b"a"), "data": BATCH | {"f": "a" * 2000}}, "more than 1024 bytes"),
        ({"files": file(b"a"), "data": BATCH | {"expires_after[seconds]": "5"}}, "whole number"),
    ]
    async with installation.client(installation.ada, **OFF) as client:
        for asked, words in cases:
            refused = await client.post(FILES, **asked)  # type: ignore[arg-type]
            assert refused.status_code == 400, (asked, refused.text)
            assert words in refused.json()["error"]["message"], (asked, refused.text)
    assert left_in(installation) == []


async def test_a_name_steers_no_terminal(installation: Installation) -> None:
    """Nor is it longer than the database keeps."""
    content = HEAD.replace(b'"f"', b'"\x1b[2J' + b"a" * 400 + b'"') + b"a\r\n--x--\r\n"
    async with installation.client(installation.ada, **OFF) as client:
        kept = await client.post(FILES, content=content, headers={"Content-Type": FORM})
    assert kept.json()["filename"] == "[2J" + "a" * 252


async def too_many() -> AsyncGenerator[bytes]:
    """A form with a file of 201 MB, which does not say how long it is."""
    yield HEAD
    for _ in range(201):
        yield b"a" * 1_000_000
    yield b"\r\n--x--\r\n"


@pytest.mark.slow(seconds=6)
async def test_a_file_of_201_mb_is_refused(installation: Installation) -> None:
    """Before it is read where it says so, else as soon as it has come; 200 MB may."""
    told = {"Content-Type": FORM}
    async with installation.client(installation.ada, **OFF) as client:
        for headers in (told, told | {"Content-Length": "201000300"}):
            refused = await client.post(FILES, content=too_many(), headers=headers)
            assert refused.status_code == 413, refused.text
            assert refused.json()["error"]["code"] == "request_too_large"
        assert left_in(installation) == []
        assert MOST_FILE_BYTES == 200_000_000


async def test_users_keep_so_many_bytes(installation: Installation) -> None:
    """Who would have more is told what is kept, before anything is read."""
    small = OFF | {"user_files_gb": 1e-6}
    async with installation.client(installation.ada, **small) as client:
        assert (await uploaded(client, b"a" * 400)).status_code == 200
        refused = await uploaded(client, b"a" * 700)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "files_full")
        assert "MODELYARD_USER_FILES_GB" in refused.json()["error"]["message"]
    assert len(left_in(installation)) == 1


async def test_files_end_with_their_time(installation: Installation) -> None:
    """The shorter of the sender's and the operator's; then they are gone with their bytes."""
    async with installation.opened(installation.ada, **OFF) as (client, services):
        kept = (await uploaded(client, b"a")).json()
        asked = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        brief = (await uploaded(client, b"b", **asked)).json()
        assert brief["expires_at"] - brief["created_at"] == 3600
        with installation.database.begin() as session:
            session.connection().exec_driver_sql(
                "UPDATE user_files SET expires_at = created_at WHERE id = "  # noqa: S608  our own
                f"'{brief['id']}'"
            )
        assert services.batches.removal.remove_expired(utc_now()) == 1
        assert (await client.get(f"{FILES}/{brief['id']}")).status_code == 404
        assert (await client.get(f"{FILES}/{kept['id']}/content")).content == b"a"
    owners = open_store(installation.settings).pin_owners()
    assert pin_of(brief["id"]) not in owners
    assert pin_of(kept["id"]) in owners
