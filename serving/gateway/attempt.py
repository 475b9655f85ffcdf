"""One attempt to answer a request on a reserved engine, with one usage booking."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass

from modelyard.registry.billing.usage import LOST, UsageRecord
from modelyard.serving.gateway.blame import Blame
from modelyard.serving.gateway.model_versions import ResolvedModel
from modelyard.serving.gateway.request import (
    CLIENT_GONE,
    CLIENT_UNREAD,
    GatewayRequest,
    ResponseSink,
)
from modelyard.serving.metering.open_requests import OpenRequests
from modelyard.serving.routing.hedge import Hedge
from modelyard.serving.routing.reservation import Reservation
from modelyard.serving.routing.running import RunningRequest, RunningRequests
from modelyard.serving.upstream.client import Headers, Upstream
from modelyard.serving.upstream.response import EngineGone
from modelyard.serving.upstream.stream import Reply, begin
from modelyard.serving.upstream.target import Target
from modelyard.serving.wire import headers
from modelyard.serving.wire.openai.request_head import prompt_tokens
from modelyard.serving.wire.openai.usage import NOTHING, TokenCounts

ENGINE_BROKE = 502
"""Status recorded when an answer began with 200 and its engine ended before it was complete."""

FAILURES = (500, 502)
"""Statuses of a broken engine; a busy or stopping engine answers 503."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Forwards requests to engines; books each attempt, or releases it if nothing was sent."""

    upstream: Upstream
    running: RunningRequests
    ledger: OpenRequests
    blame: Blame
    hedge: Hedge | None = None

    async def run(
        self, request: GatewayRequest, model: ResolvedModel, held: Reservation, client: ResponseSink
    ) -> None:
        """Answer the client; raises EngineGone if nothing was sent, so another try may follow."""
        reply: Reply | None = None
        is_booked = True
        record = request.record
        now = time.time()
        ref = held.version.ref
        running = RunningRequest(record.request_id, request.caller, ref, held.target, since=now)
        booking = self.ledger.reserve(_reserved(request, held, now))
        request.running = running
        self.running.begin(running)
        try:
            reply = await self._first(request, model, held)
            running.target = held.target
            held.begun(streamed=reply.streamed)
            if request.case is not None:
                await self.blame.proved(request.case, reply)
            record.answers()
            if reply.streamed:
                await self._stream(request, held, reply, client)
            self._free(held, running, reply)
            await (client.end() if reply.streamed else client.whole(ref, reply))
            record.status = CLIENT_UNREAD if client.is_unread else _status(reply)
        except EngineGone:
            is_booked = False
            raise
        except asyncio.CancelledError:
            record.status = CLIENT_UNREAD if client.is_unread else CLIENT_GONE
            raise
        finally:
            self.running.end(running)
            if reply is not None:
                reply.close()
            if is_booked:
                booking.enter(record, _counts(request, reply), held.target.device_id)
                request.used = True
            else:
                booking.release()

    def _first(
        self, request: GatewayRequest, model: ResolvedModel, held: Reservation
    ) -> Coroutine[object, object, Reply]:
        """Wait for the answer's first bytes; hedging may move `held` to another engine."""
        told = _told(request, model)
        if self.hedge is None or request.case is not None:
            return self._send(held.target, request, told)
        return self.hedge.first(held, lambda target: self._send(target, request, told))

    async def _send(self, target: Target, request: GatewayRequest, told: Headers) -> Reply:
        """Send the request to one engine and wait for the answer's first bytes."""
        return await begin(await self.upstream.post(target, request.path, request.body, told))

    async def _stream(
        self, request: GatewayRequest, held: Reservation, reply: Reply, client: ResponseSink
    ) -> None:
        """Stream all events but the end, buffering within bounds if the client reads slowly."""
        await client.begin(held.version.ref, reply)
        while events := await reply.next():
            if reply.in_hand:
                self.blame.broke(request, held)
            await client.send(events)

    def _free(self, held: Reservation, running: RunningRequest, reply: Reply) -> None:
        """Free the engine's slot once the engine is done, even if the client is still reading."""
        reply.ended()
        if reply.broken or reply.status in FAILURES:
            held.failed()
        elif reply.counts is not NOTHING:
            held.answered(reply.counts.completion_tokens)
        held.end()
        self.running.end(running)


def _reserved(request: GatewayRequest, held: Reservation, now: float) -> UsageRecord:
    """The usage booked if this process dies during the request; `now` is seconds since 1970."""
    record = request.record
    version = held.version
    work = held.pending.work
    return UsageRecord(
        id=record.id,
        request_id=record.request_id,
        at=int(now * 1000 - record.total_ms),
        user_id=request.caller.user_id,
        model=version.model,
        version_id=version.id,
        device_id=held.target.device_id,
        route=request.path,
        status=LOST,
        prompt_tokens=work.prompt_tokens,
        cached_tokens=0,
        output_tokens=work.output_tokens,
        first_byte_ms=None,
        total_ms=0.0,
    )


def _told(request: GatewayRequest, model: ResolvedModel) -> Headers:
    """The headers sent to the engine with the body."""
    return (
        (headers.MODEL, model.name),
        (headers.ADAPTER, model.adapter_sha256),
        (headers.TENANT, request.caller.user_id),
        (headers.COUNT, "1"),
    )


def _status(reply: Reply) -> int:
    """The status recorded for an answer that its client has read."""
    return ENGINE_BROKE if reply.broken else reply.status


def _counts(request: GatewayRequest, reply: Reply | None) -> TokenCounts:
    """The engine's token counts; for an answer that broke off, each event counts as a token."""
    if reply is None or (reply.streamed and reply.counts is NOTHING):
        return TokenCounts(prompt_tokens(request.body), reply.events if reply else 0)
    return reply.counts
