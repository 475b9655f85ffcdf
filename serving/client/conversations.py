"""What the client asks for each of its methods; the same for both kinds of client."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from modelyard.serving.client.asking import Conversation, Question, ask
from modelyard.serving.client.batch_questions import BATCH_ENDS, get
from modelyard.serving.client.fields import BatchFields, ListFilter, WorkFields
from modelyard.serving.client.look_times import LookTimes
from modelyard.serving.wire.admin.account import Me
from modelyard.serving.wire.admin.batches import BatchReply
from modelyard.serving.wire.admin.requests import (
    CancelledRequest,
    QueueOverview,
    RequestDetail,
    RequestPage,
    RequestReply,
)

REQUESTS = "/api/v1/requests"
ENDS = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class Conversations:
    """Every question of a client; `most_tries` of each."""

    most_tries: int
    _user_id: str = ""

    def submit(
        self, model_id: str, payload: Mapping[str, Any], fields: WorkFields
    ) -> Conversation[RequestReply]:
        body = {
            "type": "inference",
            **fields,
            "request_id": fields.get("request_id") or str(uuid.uuid4()),
            "user_id": fields.get("user_id") or (yield from self.own_id()),
            "model_id": model_id,
            "payload": payload,
        }
        answer = yield from self._ask(Question(method="POST", path="/api/v1/route", body=body))
        return RequestReply.model_validate_json(answer)

    def submit_batch(
        self, requests: Sequence[Mapping[str, Any]], fields: BatchFields
    ) -> Conversation[BatchReply]:
        body = {
            **fields,
            "batch_id": fields.get("batch_id") or str(uuid.uuid4()),
            "user_id": fields.get("user_id") or (yield from self.own_id()),
            "requests": [{"type": "inference", **each} for each in requests],
        }
        question = Question(method="POST", path="/api/v1/route/batch", body=body)
        return BatchReply.model_validate_json((yield from self._ask(question)))

    def get(self, request_id: str) -> Conversation[RequestDetail]:
        path = f"{REQUESTS}/{_word(request_id)}"
        answer = yield from self._ask(Question(method="GET", path=path))
        return RequestDetail.model_validate_json(answer)

    def wait(self, request_id: str, timeout_s: float | None) -> Conversation[RequestDetail]:
        """Raises TimeoutError; the request goes on."""
        looks = LookTimes(f"request {request_id}", timeout_s)
        while (found := (yield from self.get(request_id))).status not in ENDS:
            yield looks.pause(found.status)
        return found

    def wait_batch(self, batch_id: str, timeout_s: float | None) -> Conversation[dict[str, Any]]:
        """Raises TimeoutError; the batch goes on."""
        looks = LookTimes(f"batch {batch_id}", timeout_s)
        while (found := (yield from self.document(get(batch_id))))["status"] not in BATCH_ENDS:
            yield looks.pause(found["status"])
        return found

    def cancel(self, request_id: str) -> Conversation[CancelledRequest]:
        path = f"{REQUESTS}/{_word(request_id)}"
        answer = yield from self._ask(Question(method="DELETE", path=path))
        return CancelledRequest.model_validate_json(answer)

    def page(self, wanted: ListFilter, most: int, cursor: str) -> Conversation[RequestPage]:
        query: dict[str, str | int] = {**cast("dict[str, str]", wanted), "limit": most}
        if cursor:
            query["cursor"] = cursor
        answer = yield from self._ask(Question(method="GET", path=REQUESTS, query=query))
        return RequestPage.model_validate_json(answer)

    def queue(self) -> Conversation[QueueOverview]:
        answer = yield from self._ask(Question(method="GET", path=f"{REQUESTS}/queue"))
        return QueueOverview.model_validate_json(answer)

    def own_id(self) -> Conversation[str]:
        """The caller's user id, asked for once."""
        if not self._user_id:
            answer = yield from self._ask(Question(method="GET", path="/api/v1/me"))
            self._user_id = Me.model_validate_json(answer).user_id
        return self._user_id

    def document(self, question: Question) -> Conversation[dict[str, Any]]:
        """The JSON object that answers it."""
        answer = yield from ask(question, self.most_tries)
        return cast("dict[str, Any]", answer.json())

    def _ask(self, question: Question) -> Conversation[bytes]:
        return (yield from ask(question, self.most_tries)).content


def _word(given: str) -> str:
    """An id as one part of a path."""
    return quote(given, safe="")
