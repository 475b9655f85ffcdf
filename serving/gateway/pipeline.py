"""The steps of one inference request, from its body to its booked answer.

The caller is authenticated before (modelyard.serving.api.inference.endpoint).
"""

from collections.abc import Awaitable
from dataclasses import dataclass

import msgspec

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.admission.gate import Gate
from modelyard.serving.errors import EngineAnswerInvalid, EngineUnavailable, ServingError
from modelyard.serving.gateway.attempt import Attempts
from modelyard.serving.gateway.blame import Blame
from modelyard.serving.gateway.model_versions import ResolvedModel, VisibleVersions
from modelyard.serving.gateway.request import GatewayRequest, ResponseSink
from modelyard.serving.gateway.sizing import work_of
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.reservation import Reservation
from modelyard.serving.routing.router import Router
from modelyard.serving.routing.suspicion.suspects import Case, Stage
from modelyard.serving.upstream.response import EngineGone, NoHttpAnswer
from modelyard.serving.wire.openai.request_head import read_head

TRIES = 3
"""Tries per request; an engine that is gone before its first byte uses one up."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The components that a request passes on its way to an engine and back."""

    gate: Gate
    versions: VisibleVersions
    router: Router
    blame: Blame
    attempts: Attempts

    async def answer(self, request: GatewayRequest, client: ResponseSink) -> None:
        """Answer the client; cancellation or an error ends the engine's work too.

        Raises InvalidRequest, InvalidName, UnknownModel, NotPermitted, RequestEndsEngines and
        Unavailable before anything was sent. An engine's own refusal is passed on as an answer
        with the engine's status.
        """
        head = read_head(request.body)
        admission = await self.gate.admit(request.caller.user_id)
        client.room = admission.room
        try:
            asked = (head.model, request.caller)
            model = self.versions.known(asked) or await self.versions.find(asked)
            request.record.model = model.version.model
            work = work_of(request, head, admission.quota)
            if request.explain:
                client.explained = await self._explained(model.version, work)
            if self.blame.suspects:
                request.case = self.blame.recall(request, model.version, work)
            await self._try(request, model, work, client)
        finally:
            admission.settle(used=request.used)

    async def _explained(self, version: ModelVersion, work: RoutedRequest) -> bytes:
        return msgspec.json.encode(await self.router.explain(version, work))

    async def _try(
        self,
        request: GatewayRequest,
        model: ResolvedModel,
        work: RoutedRequest,
        client: ResponseSink,
    ) -> None:
        """Reserve and attempt until an engine answers, within TRIES and the retry budget."""
        last: EngineGone | None = None
        self.router.arrived()
        for attempt in range(TRIES):
            if attempt and not self.router.may_retry():
                break
            held = await self._place(model.version, work, request.case)
            try:
                await self.attempts.run(request, model, held, client)
            except EngineGone as gone:
                last = gone
                death = self.blame.lost(request, held, began=False) if gone.in_hand else None
                held.failed() if isinstance(gone, NoHttpAnswer) else held.gone()
            else:
                return
            finally:
                held.end()
            if request.case is not None and not await self.blame.judge(request.case, death):
                break
        raise _unanswered(model.version, last)

    def _place(
        self, version: ModelVersion, work: RoutedRequest, case: Case | None
    ) -> Awaitable[Reservation]:
        """Reserve the cheapest worker, or a turn alone on an engine for a suspect request."""
        if case is not None and case.stage is Stage.WAITING:
            return self.router.alone(case)
        return self.router.reserve(version, work)


def _unanswered(version: ModelVersion, last: EngineGone | None) -> ServingError:
    """The error for a request that no engine answered; `last` is how the last try ended."""
    if isinstance(last, NoHttpAnswer):
        return EngineAnswerInvalid(
            f"The engine of {version.ref} sent no valid answer: {last}.",
            fix="Its log may say more; the administrator can unload it.",
        )
    return EngineUnavailable(
        f"The engine of {version.ref} ended before it answered, and so did those after.",
        fix="Try again in a moment; `modelyard status` shows the engines.",
    )
