"""The way of one completion: admit, find the version, choose an engine, pass on, settle, book.

Who asks is known before: nothing passes the door without a credential
(modelyard.serving.api.inference.endpoint).
"""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from modelyard.registry.billing.usage import LOST, UsageRecord
from modelyard.registry.catalog.model import ModelRef, ModelVersion
from modelyard.registry.identity.caller import Caller
from modelyard.serving.admission.gate import Gate
from modelyard.serving.errors import EngineUnavailable
from modelyard.serving.gateway.blame import Blame, Death
from modelyard.serving.gateway.model_versions import VisibleVersions
from modelyard.serving.gateway.sizing import work_of
from modelyard.serving.metering.open_requests import OpenRequests
from modelyard.serving.observability.request_record import RequestRecord
from modelyard.serving.routing.hedge import Asking, Hedge
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.priority import granted
from modelyard.serving.routing.reservation import Reservation
from modelyard.serving.routing.router import Router
from modelyard.serving.routing.running import RunningRequest, RunningRequests
from modelyard.serving.routing.suspicion.suspects import Case, Stage
from modelyard.serving.upstream.client import Headers, Upstream
from modelyard.serving.upstream.response import EngineGone
from modelyard.serving.upstream.stream import Reply, begin
from modelyard.serving.upstream.target import Target
from modelyard.serving.wire import headers
from modelyard.serving.wire.openai.request_head import RequestHead, prompt_tokens, read_head
from modelyard.serving.wire.openai.usage import NOTHING, TokenCounts
from modelyard.serving.wire.rate_headers import RateLimitStatus

TRIES = 3
"""An engine that is gone before its first byte costs another try, elsewhere or reloaded."""

CLIENT_UNREAD, CLIENT_GONE, ENGINE_BROKE = 498, 499, 502
"""Recorded, never sent: who took nothing of the answer, or left before it was complete."""

FAILURES = (500, 502)
"""What an engine answers that is broken; 503 it answers when it is busy or about to end."""


class ResponseSink(Protocol):
    """Who asked: what it is sent waits for it to read, for a time and within bounds.

    `whole` and `end` return once it has read nearly all.
    """

    room: RateLimitStatus | None
    explained: bytes

    @property
    def is_unread(self) -> bool: ...

    async def whole(self, version: str, reply: Reply) -> None: ...

    async def begin(self, version: str, reply: Reply) -> None: ...

    def send(self, events: bytes) -> Awaitable[None]: ...

    async def end(self) -> None: ...


class GatewayRequest:
    """A client's request: the body is forwarded byte for byte; `used` tells that it was booked.

    A `priority` of None is the usual one. `case` is there where an engine had it, or one like it,
    as it ended.
    """

    __slots__ = ("body", "caller", "case", "explain", "path", "priority", "record", "used")

    def __init__(
        self,
        caller: Caller,
        body: bytes,
        record: RequestRecord,
        *,
        explain: bool = False,
        priority: int | None = None,
    ) -> None:
        self.caller = caller
        self.path = record.route
        self.body = body
        self.record = record
        self.explain = explain
        self.priority = priority
        self.used = False
        self.case: Case | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that a completion passes on its way to an engine and back."""

    gate: Gate
    versions: VisibleVersions
    router: Router
    upstream: Upstream
    ledger: OpenRequests
    blame: Blame
    hedge: Hedge | None = None
    running: RunningRequests = field(default_factory=RunningRequests)

    async def answer(self, ask: GatewayRequest, client: ResponseSink) -> None:
        """Give the client its answer; ending this, in whatever way, ends the engine's work.

        Raises InvalidRequest, InvalidName, UnknownModel, NotPermitted, RequestEndsEngines and
        Unavailable before anything was sent; what the engine itself refuses is an answer with the
        engine's status.
        """
        head, caller = read_head(ask.body), ask.caller
        admission = await self.gate.admit(caller.user_id)
        client.room, quota = admission.room, admission.quota
        try:
            priority = granted(ask.priority, quota)
            asked = (head.model, caller)
            version = self.versions.known(asked) or await self.versions.find(asked)
            ask.record.model = version.model
            work = work_of(ask.record.request_id, ask.body, head, quota, priority)
            await self._try(ask, head, version, work, client)
        finally:
            admission.settle(used=ask.used)

    async def _try(
        self,
        ask: GatewayRequest,
        head: RequestHead,
        version: ModelVersion,
        work: RoutedRequest,
        client: ResponseSink,
    ) -> None:
        if ask.explain:
            client.explained = msgspec.json.encode(await self.router.explain(version, work))
        if self.blame.suspects:
            ask.case = self.blame.recall(version, work, ask.path, ask.body)
        self.router.arrived()
        for attempt in range(TRIES):
            if attempt and not self.router.may_retry():
                break
            held = await self._place(version, work, ask.case)
            try:
                await self._run(ask, head, held, client)
            except EngineGone as gone:
                death = self._met(ask, held, began=False) if gone.in_hand else None
                held.gone()
            else:
                return
            finally:
                held.end()
            if not await self._may_go_on(ask.case, death):
                break
        raise EngineUnavailable(
            f"The engine of {version.ref} ended before it answered, and so did those after it.",
            fix="Try again in a moment; `modelyard status` shows the engines.",
        )

    def _place(
        self, version: ModelVersion, work: RoutedRequest, case: Case | None
    ) -> Awaitable[Reservation]:
        if case is not None and case.stage is Stage.WAITING:
            return self.router.alone(case)
        return self.router.reserve(version, work)

    def _met(self, ask: GatewayRequest, held: Reservation, *, began: bool) -> Death | None:
        """The engine that has the request has ended."""
        pending, blame = held.pending, self.blame
        if ask.case is None:
            ask.case = blame.suspects.case(held.version, pending.work, ask.path, ask.body)
        age_s = time.monotonic() - pending.sent_at
        return blame.met(ask.case, held.target, age_s, began=began)

    async def _may_go_on(self, case: Case | None, death: Death | None) -> bool:
        """Whether it may be tried again; raises RequestEndsEngines where that ends engines."""
        return case is None or await self.blame.judge(case, death)

    async def _run(
        self, ask: GatewayRequest, head: RequestHead, held: Reservation, client: ResponseSink
    ) -> None:
        """Raises EngineGone where nothing was sent yet: then nothing is booked either."""
        reply: Reply | None = None
        target, version, now = held.target, held.version, time.time()
        booking = self.ledger.reserve(_reserved(ask, held, now))
        running = RunningRequest(ask.record.request_id, ask.caller, version.ref, target, now)
        told = _told(ask, head, version)
        self.running.begin(running)
        try:
            if self.hedge is None or ask.case is not None:
                reply = await begin(await self.upstream.post(target, ask.path, ask.body, told))
            else:
                reply = await self.hedge.first(held, self._asking(ask, told))
                running.target = held.target
            held.begun(streamed=reply.streamed)
            if ask.case is not None:
                await self.blame.proved(ask.case, reply)
            ask.record.answers()
            if reply.streamed:
                await self._stream(ask, held, reply, client)
            self._free(held, running, reply)
            await (client.end() if reply.streamed else client.whole(running.model, reply))
            ask.record.status = ENGINE_BROKE if reply.broken else reply.status
            if client.is_unread:
                ask.record.status = CLIENT_UNREAD
        except EngineGone:
            booking.release()
            raise
        except asyncio.CancelledError:
            ask.record.status = CLIENT_UNREAD if client.is_unread else CLIENT_GONE
            raise
        finally:
            self.running.end(running)
            if reply is not None:
                reply.close()
            counts = _counts(ask, reply)
            ask.used = booking.enter(ask.record, counts, held.target.device_id)

    async def _stream(
        self, ask: GatewayRequest, held: Reservation, reply: Reply, client: ResponseSink
    ) -> None:
        """All but the end. The engine is read as it writes, within what may be kept here."""
        await client.begin(held.version.ref, reply)
        while events := await reply.next():
            if reply.in_hand:
                death = self._met(ask, held, began=True)
                if ask.case is not None and death is not None:
                    self.blame.broke(ask.case, death)
            await client.send(events)

    def _free(self, held: Reservation, running: RunningRequest, reply: Reply) -> None:
        """The engine is done, whether its answer has been read or not: its place is another's."""
        reply.ended()
        _judge(held, reply)
        held.end()
        self.running.end(running)

    def _asking(self, ask: GatewayRequest, told: Headers) -> Asking:
        async def asking(target: Target) -> Reply:
            return await begin(await self.upstream.post(target, ask.path, ask.body, told))

        return asking


def _judge(held: Reservation, reply: Reply) -> None:
    """What the router learns of an answer that came to its end."""
    if reply.broken or reply.status in FAILURES:
        held.failed()
    elif reply.counts is not NOTHING:
        held.answered(reply.counts.completion_tokens)


def _reserved(ask: GatewayRequest, held: Reservation, now: float) -> UsageRecord:
    """What is booked if this process ends before the request does."""
    version = held.version
    return UsageRecord(
        id=ask.record.id,
        request_id=ask.record.request_id,
        at=int(now * 1000 - ask.record.total_ms),
        user_id=ask.caller.user_id,
        model=version.model,
        version_id=version.id,
        device_id=held.target.device_id,
        route=ask.path,
        status=LOST,
        prompt_tokens=held.pending.work.prompt_tokens,
        cached_tokens=0,
        output_tokens=held.pending.work.output_tokens,
        first_byte_ms=None,
        total_ms=0.0,
    )


def _told(ask: GatewayRequest, head: RequestHead, version: ModelVersion) -> Headers:
    """What the engine is told besides the body."""
    return (
        (headers.MODEL, head.model),
        (headers.ADAPTER, _adapter(version, head.model)),
        (headers.TENANT, ask.caller.user_id),
        (headers.COUNT, "1"),
    )


def _adapter(version: ModelVersion, name: str) -> str:
    """The sha256 of the adapter that `base+adapter` names; empty where it is the base alone."""
    adapter = version.adapter(ModelRef.parse(name).adapter) if "+" in name else None
    return adapter.file.sha256 if adapter else ""


def _counts(ask: GatewayRequest, reply: Reply | None) -> TokenCounts:
    """What the engine counted; of an answer that broke off, an event for a token."""
    if reply is None or (reply.streamed and reply.counts is NOTHING):
        return TokenCounts(prompt_tokens(ask.body), reply.events if reply else 0)
    return reply.counts
