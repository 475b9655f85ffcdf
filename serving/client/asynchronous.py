"""The client for programs that do other things meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import IO, Any, Self, TypeVar, Unpack

import httpx2

from modelyard.serving.client import batch_questions as batch
from modelyard.serving.client.asking import Conversation, Pause
from modelyard.serving.client.connecting import GatewayAccess, arguments
from modelyard.serving.client.conversations import ENDS, Conversations
from modelyard.serving.client.fields import BatchFields, ListFilter, WorkFields
from modelyard.serving.client.look_times import BETWEEN_LOOKS_S
from modelyard.serving.client.notices import (
    COME_AGAIN_S,
    PATH,
    SILENT_S,
    HeardNotice,
    Listening,
    is_about,
)
from modelyard.serving.client.problem import ApiProblem, GatewaySilent
from modelyard.serving.wire.admin.batches import BatchReply
from modelyard.serving.wire.admin.requests import (
    CancelledRequest,
    QueueOverview,
    RequestDetail,
    RequestReply,
    RequestSummary,
)

Result = TypeVar("Result")


class AsyncModelyard:
    """As `Modelyard`, method by method, for asyncio; closed by `async with` or `aclose`."""

    def __init__(
        self, base_url: str | None = None, api_key: str | None = None, *, most_tries: int = 5
    ) -> None:
        """Without arguments from MODELYARD_GATEWAY_URL and MODELYARD_API_KEY."""
        self._http = httpx2.AsyncClient(**GatewayAccess.of(base_url, api_key).told)
        self._talk = Conversations(most_tries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def submit(
        self, model_id: str, payload: Mapping[str, Any], **fields: Unpack[WorkFields]
    ) -> RequestReply:
        """Hand one request in; the same `request_id` again is the same request."""
        return await self._run(self._talk.submit(model_id, payload, fields))

    async def submit_batch(
        self, requests: Sequence[Mapping[str, Any]], **fields: Unpack[BatchFields]
    ) -> BatchReply:
        """Hand many in, all or none; each as `WorkFields`, with `model_id` and `payload`."""
        return await self._run(self._talk.submit_batch(requests, fields))

    async def get(self, request_id: str) -> RequestDetail:
        return await self._run(self._talk.get(request_id))

    async def wait(self, request_id: str, timeout_s: float | None = None) -> RequestDetail:
        """The request once it has ended, however it did; raises TimeoutError, and it goes on."""
        return await self._run(self._talk.wait(request_id, timeout_s))

    async def follow(self, request_id: str) -> AsyncGenerator[RequestDetail]:
        """The request now and at each change, the last time when it has ended."""
        last = None
        async with aclosing(self._looks(request_id)) as looks:
            async for _ in looks:
                found = await self.get(request_id)
                if found != last:
                    yield found
                last = found
                if found.status in ENDS:
                    return

    async def cancel(self, request_id: str) -> CancelledRequest:
        return await self._run(self._talk.cancel(request_id))

    async def list(
        self, most: int = 100, **wanted: Unpack[ListFilter]
    ) -> AsyncIterator[RequestSummary]:
        """One's requests, the latest first, over as many pages as it takes; at most `most`."""
        cursor = ""
        while most > 0:
            page = await self._run(self._talk.page(wanted, min(most, 100), cursor))
            for each in page.requests:
                yield each
            most -= len(page.requests)
            if not page.next_cursor:
                return
            cursor = page.next_cursor

    async def queue(self) -> QueueOverview:
        return await self._run(self._talk.queue())

    async def notices(
        self, topics: Sequence[str] = (), after: int | None = None
    ) -> AsyncGenerator[HeardNotice]:
        """Every notice once, over as many connections as it takes, until the caller stops."""
        place = Listening(topics, after)
        while True:
            try:
                async with aclosing(self._stream(place)) as heard:
                    async for notice in heard:
                        yield notice
            except httpx2.TransportError:
                await asyncio.sleep(COME_AGAIN_S)

    async def upload(self, file: IO[bytes], name: str = "batch.jsonl") -> str:
        """A batch's input, one request a line; returns the file's id."""
        return str((await self._run(self._talk.document(batch.upload(file, name))))["id"])

    async def create_batch(
        self, input_file_id: str, endpoint: str = "/v1/chat/completions"
    ) -> dict[str, Any]:
        """The batch as OpenAI's API describes it, like those of the methods that follow."""
        return await self._run(self._talk.document(batch.create(input_file_id, endpoint)))

    async def get_batch(self, batch_id: str) -> dict[str, Any]:
        return await self._run(self._talk.document(batch.get(batch_id)))

    async def wait_batch(self, batch_id: str, timeout_s: float | None = None) -> dict[str, Any]:
        """The batch once it has ended; raises TimeoutError, and it goes on."""
        return await self._run(self._talk.wait_batch(batch_id, timeout_s))

    async def cancel_batch(self, batch_id: str) -> dict[str, Any]:
        return await self._run(self._talk.document(batch.cancel(batch_id)))

    async def list_batches(self, most: int = 20, after: str = "") -> dict[str, Any]:
        return await self._run(self._talk.document(batch.page(most, after)))

    async def content(self, file_id: str) -> AsyncIterator[str]:
        """The lines of a file, such as a batch's output, as they arrive."""
        question = batch.content(file_id)
        async with self._http.stream(question.method, question.path) as answer:
            if not answer.is_success:
                await answer.aread()
                raise ApiProblem.of(answer)
            async for line in answer.aiter_lines():
                yield line

    async def _looks(self, request_id: str) -> AsyncGenerator[None]:
        """When to look: as notices tell of it; where none can be heard, every two seconds."""
        try:
            async with aclosing(self._stream(Listening(["requests"], None))) as heard:
                async for notice in heard:
                    if is_about(notice, request_id):
                        yield
        except (httpx2.TransportError, ApiProblem, GatewaySilent):
            pass
        while True:
            yield
            await asyncio.sleep(BETWEEN_LOOKS_S[-1])

    async def _stream(self, place: Listening) -> AsyncGenerator[HeardNotice]:
        """The notices of one connection."""
        query = await self._run(place.ticket(self._talk.most_tries))
        stream = self._http.stream("GET", f"{PATH}/stream", params=query, timeout=SILENT_S)
        async with stream as answer:
            if not answer.is_success:
                await answer.aread()
                raise ApiProblem.of(answer)
            async for line in answer.aiter_lines():
                if notice := place.heard(line):
                    yield notice

    async def _run(self, conversation: Conversation[Result]) -> Result:
        """Send, wait, and hand back what came, until the conversation has its result."""
        try:
            step = next(conversation)
            while True:
                try:
                    answer = await self._taken(step)
                except httpx2.TransportError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(answer)
        except StopIteration as end:
            return end.value

    async def _taken(self, step: Any) -> httpx2.Response | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return await self._http.request(**arguments(step))
