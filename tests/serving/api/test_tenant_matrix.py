"""What is private to somebody is told to nobody else, on any route of the application."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from modelyard.registry.batches.batch import NewBatch
from modelyard.registry.batches.entering import Batches
from modelyard.registry.billing.usage import UsageBook, UsageRecord
from modelyard.registry.callbacks import outbox
from modelyard.registry.cards.card import Card
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.database import utc_now
from modelyard.registry.files.file_book import FileBook, FileRoom
from modelyard.registry.files.file_store import pin_of
from modelyard.registry.files.user_file import FilePurpose, UserFile, new_file_id
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.jobs.job import JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.orders import OrderBook, OrderKind
from modelyard.registry.runs.runs import RunBoard
from modelyard.serving.api.inference.endpoint import PATHS
from modelyard.serving.routing.running import RunningRequest
from modelyard.serving.upstream.target import Target
from tests.serving.installation import NOBODY, Installation

pytestmark = pytest.mark.anyio

PRIVATE = "admin/rumpelstiltskin"
NOT_THERE = "admin/nobodyhasheard"
EXPENSIVE = "one that is nobody's business"
NONE = "0" * 36
"""An id of nothing."""


def filled(installation: Installation, owner: str) -> ModelVersion:
    """A private model that is loaded, has been ingested, used and explained: all that there is."""
    version = installation.private(PRIVATE, installation.admin)
    installation.worker()
    installation.ready(version, NOBODY)
    open_index(installation.settings).upsert(Card.of(version, EXPENSIVE))
    board = RunBoard(installation.database)
    with board.start("ingest", f"{PRIVATE}@main", owner_id=owner) as run:
        run.step(EXPENSIVE)
    UsageBook(installation.database).add(
        [
            UsageRecord(
                id="1",
                request_id=EXPENSIVE,
                at=int(time.time() * 1000),
                user_id=owner,
                model=PRIVATE,
                version_id=version.id,
                device_id="cpu-0",
                route="/v1/chat/completions",
                status="200",
                prompt_tokens=1,
                cached_tokens=0,
                output_tokens=1,
                first_byte_ms=1.0,
                total_ms=1.0,
            )
        ]
    )
    return version


def ordered(installation: Installation) -> tuple[str, str]:
    """The ids of the private model's run, and of an order about it."""
    FlowProcesses(installation.database).beat("a process")
    (run,) = RunBoard(installation.database).list()
    told = {"run_id": run.id, "model": PRIVATE}
    order = OrderBook(installation.database).place(OrderKind.RETRY, PRIVATE, told, "admin")
    return run.id, order.id


def handed_in(installation: Installation, owner: str) -> dict[str, str]:
    """Ids of a file, a batch of it, a request, and its callback, by where addresses have them."""
    job_id = str(uuid.uuid4())
    file_id = new_file_id()
    now = utc_now()
    store = installation.filled.store
    stored = store.put([EXPENSIVE.encode()])
    store.pin(stored.sha256, pin_of(file_id))
    file = UserFile(
        id=file_id,
        user_id=owner,
        purpose=FilePurpose.BATCH,
        name=EXPENSIVE,
        size=stored.size,
        sha256=stored.sha256,
        created_at=now,
        expires_at=None,
    )
    FileBook(installation.database).add(file, FileRoom(10**9))
    batch = NewBatch(
        id=f"batch_{job_id}",
        user_id=owner,
        asked_by=owner,
        created_at=now,
        expires_at=now,
        input_file_id=file_id,
        about={"metadata": {"about": EXPENSIVE}},
    )
    Batches(installation.database).create(batch)
    job = NewJob(
        id=job_id,
        user_id=owner,
        asked_by=owner,
        model=PRIVATE,
        type=JobType.INFERENCE,
        path="/v1/completions",
        body=json.dumps({"prompt": EXPENSIVE}).encode(),
        priority=3,
        timeout_s=3600.0,
        digest="0" * 64,
    )
    JobQueue(installation.database).submit([job])
    with installation.database.begin() as session:
        callback = outbox.enter(
            session,
            user_id=owner,
            subject=job_id,
            kind="request.completed",
            url="https://example.com/",
            body={"about": EXPENSIVE},
        )
    return {
        "{file_id}": file_id,
        "{batch_id}": batch.id,
        "{request_id}": job_id,
        "{callback_id}": callback,
    }


def running(version: ModelVersion, owner: str) -> RunningRequest:
    caller = Caller(owner, "admin", Role.ADMIN)
    target = Target(version.id, "cpu-0", NOBODY)
    return RunningRequest(EXPENSIVE, caller, version.ref, target, since=time.time())


def routes(installation: Installation) -> list[tuple[str, str]]:
    return [
        (method, str(context.path))
        for context in iter_route_contexts(installation.app().routes)
        for method in sorted(context.methods or {"GET"})
    ]


def asked(method: str, path: str, model: str, ids: Mapping[str, str]) -> Iterator[httpx2.Request]:
    """The route with its parts filled in, plain and with the model as a query or in the body."""
    url = "http://gateway" + path
    for part, value in {"{model:path}": model, "{gpu_id}": "cpu-0", **ids}.items():
        url = url.replace(part, value)
    assert "{" not in url, f"{path} has a part that this test does not know"
    yield httpx2.Request(method, url, params={"model": model, "text": model})
    if method in {"POST", "PUT"}:
        body = {"model": model, "messages": [], "prompt": "a", "input": "a", "on": True}
        yield httpx2.Request(method, url, json=body)


def without(text: str, model: str, ids: Mapping[str, str]) -> str:
    """An answer without the names that were asked for."""
    for name in (model, NONE, *ids.values()):
        text = text.replace(name, "it")
    return text


def of_nothing(ids: Mapping[str, str]) -> dict[str, str]:
    """Ids as these, of what is not there."""
    return dict.fromkeys(ids, NONE) | {"{user_id}": "nobody"}


def everything(
    installation: Installation, owner: str, key: str
) -> tuple[ModelVersion, dict[str, str]]:
    """All that one user can have, and the ids of it by where addresses have them."""
    version = filled(installation, owner)
    run, order = ordered(installation)
    named = {"{user_id}": owner, "{key_id}": key, "{run_id}": run, "{order_id}": order}
    return version, named | handed_in(installation, owner) | {"{secret_id}": NONE}


async def test_no_route_tells_of_what_is_private_to_another(lite: Installation) -> None:
    """A name that is private is answered as one that is not there; nothing else mentions it."""
    owner = lite.identity.authenticate_key(lite.admin).user_id
    [key] = [each.id for each in lite.identity.list_keys("admin")]
    version, ids = everything(lite, owner, key)
    count = 0
    async with lite.opened(lite.ada, worker_alive_s=600, dispatch="off") as (client, services):
        services.running.begin(running(version, owner))
        for method, path in routes(lite):
            there = asked(method, path, PRIVATE, ids)
            absent = asked(method, path, NOT_THERE, of_nothing(ids))
            for one, other in zip(there, absent, strict=True):
                answers = []
                for request, name in ((one, PRIVATE), (other, NOT_THERE)):
                    request.headers["Authorization"] = f"Bearer {lite.ada}"
                    answer = await client.send(request)
                    answers.append((answer.status_code, without(answer.text, name, ids)))
                    said = answer.text if name == NOT_THERE else answers[-1][1]
                    assert PRIVATE not in said, (method, path)
                    assert EXPENSIVE not in said, (method, path)
                    assert version.id not in said, (method, path)
                    count += 1
                assert answers[0][0] == answers[1][0], (method, path)
                if path in PATHS or "explain" in path or "{" in path:
                    assert answers[0] == answers[1], (method, path)
    assert count > 60


async def test_its_owner_is_told_by_the_same_routes(lite: Installation) -> None:
    """Else the test above would show nothing."""
    owner = lite.identity.authenticate_key(lite.admin).user_id
    version, ids = everything(lite, owner, NONE)
    telling = set[str]()
    async with lite.opened(lite.admin, dispatch="off") as (client, services):
        services.running.begin(running(version, owner))
        for method, path in routes(lite):
            if method != "GET":
                continue
            for request in asked(method, path, PRIVATE, ids):
                request.headers["Authorization"] = f"Bearer {lite.admin}"
                answer = await client.send(request)
                if any(word in answer.text for word in (PRIVATE, EXPENSIVE, version.id)):
                    telling.add(path)
    assert telling == {
        "/api/v1/admin/orders/{order_id}",
        "/api/v1/batches",
        "/api/v1/gpus/{gpu_id}",
        "/api/v1/models",
        "/api/v1/models/search",
        "/api/v1/requests",
        "/api/v1/requests/queue",
        "/api/v1/requests/{request_id}",
        "/api/v1/route/explain",
        "/api/v1/runs",
        "/api/v1/usage",
        "/v1/batches",
        "/v1/batches/{batch_id}",
        "/v1/files",
        "/v1/files/{file_id}",
        "/v1/files/{file_id}/content",
        "/v1/models",
        "/v1/models/{model:path}",
    }
