"""The client for programs that wait where they ask."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
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


class Modelyard:
    """Hands work in and follows it; safe to use from several threads, closed by `with` or `close`.

    Every method raises ApiProblem where the gateway refuses, and GatewaySilent where it does not
    answer after `most_tries`. A refusal that says "later" is tried again, as long as Retry-After is
    at most a minute.
    """

    def __init__(
        self, base_url: str | None = None, api_key: str | None = None, *, most_tries: int = 5
    ) -> None:
        """Without arguments from MODELYARD_GATEWAY_URL and MODELYARD_API_KEY."""
        self._http = httpx2.Client(**GatewayAccess.of(base_url, api_key).told)
        self._talk = Conversations(most_tries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(
        self, model_id: str, payload: Mapping[str, Any], **fields: Unpack[WorkFields]
    ) -> RequestReply:
        """Hand one request in; the same `request_id` again is the same request."""
        return self._run(self._talk.submit(model_id, payload, fields))

    def submit_batch(
        self, requests: Sequence[Mapping[str, Any]], **fields: Unpack[BatchFields]
    ) -> BatchReply:
        """Hand many in, all or none; each as `WorkFields`, with `model_id` and `payload`."""
        return self._run(self._talk.submit_batch(requests, fields))

    def get(self, request_id: str) -> RequestDetail:
        return self._run(self._talk.get(request_id))

    def wait(self, request_id: str, timeout_s: float | None = None) -> RequestDetail:
        """The request once it has ended, however it did; raises TimeoutError, and it goes on."""
        return self._run(self._talk.wait(request_id, timeout_s))

    def follow(self, request_id: str) -> Iterator[RequestDetail]:
        """The request now and at each change, the last time when it has ended."""
        last = None
        for _ in self._looks(request_id):
            found = self.get(request_id)
            if found != last:
                yield found
            last = found
            if found.status in ENDS:
                return

    def cancel(self, request_id: str) -> CancelledRequest:
        return self._run(self._talk.cancel(request_id))

    def list(self, most: int = 100, **wanted: Unpack[ListFilter]) -> Iterator[RequestSummary]:
        """One's requests, the latest first, over as many pages as it takes; at most `most`."""
        cursor = ""
        while most > 0:
            page = self._run(self._talk.page(wanted, min(most, 100), cursor))
            yield from page.requests
            most -= len(page.requests)
            if not page.next_cursor:
                return
            cursor = page.next_cursor

    def queue(self) -> QueueOverview:
        return self._run(self._talk.queue())

    def notices(
        self, topics: Sequence[str] = (), after: int | None = None
    ) -> Generator[HeardNotice]:
        """Every notice once, over as many connections as it takes, until the caller stops."""
        place = Listening(topics, after)
        while True:
            try:
                yield from self._stream(place)
            except httpx2.TransportError:
                time.sleep(COME_AGAIN_S)

    def upload(self, file: IO[bytes], name: str = "batch.jsonl") -> str:
        """A batch's input, one request a line; returns the file's id."""
        return str(self._run(self._talk.document(batch.upload(file, name)))["id"])

    def create_batch(
        self, input_file_id: str, endpoint: str = "/v1/chat/completions"
    ) -> dict[str, Any]:
        """The batch as OpenAI's API describes it, like those of the methods that follow."""
        return self._run(self._talk.document(batch.create(input_file_id, endpoint)))

    def get_batch(self, batch_id: str) -> dict[str, Any]:
        return self._run(self._talk.document(batch.get(batch_id)))

    def wait_batch(self, batch_id: str, timeout_s: float | None = None) -> dict[str, Any]:
        """The batch once it has ended; raises TimeoutError, and it goes on."""
        return self._run(self._talk.wait_batch(batch_id, timeout_s))

    def cancel_batch(self, batch_id: str) -> dict[str, Any]:
        return self._run(self._talk.document(batch.cancel(batch_id)))

    def list_batches(self, most: int = 20, after: str = "") -> dict[str, Any]:
        return self._run(self._talk.document(batch.page(most, after)))

    def content(self, file_id: str) -> Iterator[str]:
        """The lines of a file, such as a batch's output, as they arrive."""
        question = batch.content(file_id)
        with self._http.stream(question.method, question.path) as answer:
            if not answer.is_success:
                answer.read()
                raise ApiProblem.of(answer)
            yield from answer.iter_lines()

    def _looks(self, request_id: str) -> Iterator[None]:
        """When to look: as notices tell of it; where none can be heard, every two seconds."""
        try:
            for notice in self._stream(Listening(["requests"], None)):
                if is_about(notice, request_id):
                    yield
        except (httpx2.TransportError, ApiProblem, GatewaySilent):
            pass
        while True:
            yield
            time.sleep(BETWEEN_LOOKS_S[-1])

    def _stream(self, place: Listening) -> Generator[HeardNotice]:
        """The notices of one connection."""
        query = self._run(place.ticket(self._talk.most_tries))
        with self._http.stream("GET", f"{PATH}/stream", params=query, timeout=SILENT_S) as answer:
            if not answer.is_success:
                answer.read()
                raise ApiProblem.of(answer)
            for line in answer.iter_lines():
                if notice := place.heard(line):
                    yield notice

    def _run(self, conversation: Conversation[Result]) -> Result:
        """Send, wait, and hand back what came, until the conversation has its result."""
        try:
            step = next(conversation)
            while True:
                try:
                    answer = self._taken(step)
                except httpx2.TransportError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(answer)
        except StopIteration as end:
            return end.value

    def _taken(self, step: Any) -> httpx2.Response | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        return self._http.request(**arguments(step))
